// Command manifests reads what `helm template` prints, as an API server would take it: each document must be of a known
// type, with no field that the type does not have and no value of another type, and what it names must be there. It prints
// the documents as one JSON list, or ends with 1 and a line for each fault.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

func decoder() (runtime.Decoder, error) {
	types := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, monitoring.AddToScheme, certmanager.AddToScheme} {
		if err := add(types); err != nil {
			return nil, err
		}
	}
	return serializer.NewCodecFactory(types, serializer.EnableStrict).UniversalDeserializer(), nil
}

// read splits and decodes; a fault of one document does not keep it from the others.
func read(from io.Reader) (objects []runtime.Object, plain []json.RawMessage, faults []error) {
	decode, err := decoder()
	if err != nil {
		return nil, nil, []error{err}
	}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(from))
	for number := 1; ; number++ {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, plain, faults
		}
		if err != nil {
			return objects, plain, append(faults, fmt.Errorf("document %d: %w", number, err))
		}
		asJSON, err := yaml.YAMLToJSONStrict(text)
		if err == nil && string(asJSON) == "null" {
			continue
		}
		var object runtime.Object
		if err == nil {
			object, _, err = decode.Decode(text, nil, nil)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("document %d: %w", number, err))
			continue
		}
		objects = append(objects, object)
		plain = append(plain, asJSON)
	}
}

func main() {
	objects, plain, faults := read(os.Stdin)
	faults = append(faults, relations(objects)...)
	for _, fault := range faults {
		fmt.Fprintln(os.Stderr, fault)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(plain); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
