// Command oldest reads what `helm template` prints by the types of the oldest Kubernetes that Chart.yaml promises: a field
// that came later is a fault, since that API server would drop it, or refuse the document. What is an operator's is not looked at.
// It ends with 1 and a line for each fault.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
)

var ofOperators = map[string]bool{"cert-manager.io": true, "monitoring.coreos.com": true}

func main() {
	types := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{apps.AddToScheme, core.AddToScheme, networking.AddToScheme, policy.AddToScheme} {
		if err := add(types); err != nil {
			fail(err)
		}
	}
	decode := serializer.NewCodecFactory(types, serializer.EnableStrict).UniversalDeserializer()
	reader := yaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	known, faults := 0, 0
	for number := 1; ; number++ {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			fail(err)
		}
		var about metav1.TypeMeta
		if err := yaml.Unmarshal(text, &about); err != nil {
			fail(err)
		}
		if about.Kind == "" || ofOperators[about.GroupVersionKind().Group] {
			continue
		}
		known++
		if _, _, err := decode.Decode(text, nil, nil); err != nil {
			fmt.Fprintf(os.Stderr, "document %d: %v\n", number, err)
			faults++
		}
	}
	if known == 0 {
		fail(errors.New("no document of Kubernetes' own"))
	}
	if faults > 0 {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
