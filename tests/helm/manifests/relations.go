package main

import (
	"fmt"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

// What selects pods, and the port of theirs that it names.
type wish struct {
	who   string
	where labels.Selector
	port  intstr.IntOrString
}

type pods struct {
	who    string
	labels map[string]string
	spec   core.PodSpec
	claims []core.PersistentVolumeClaim
}

type checker struct {
	faults   []error
	seen     map[string]bool
	pods     []pods
	services []*core.Service
	wishes   []wish
	monitors []*monitoring.ServiceMonitor
	policies []*networking.NetworkPolicy
	askers   []*core.Pod // What `helm test` runs.
}

// relations looks at what the types do not say: names, labels, and whether what one object names another one has.
func relations(objects []runtime.Object) []error {
	c := checker{seen: map[string]bool{}}
	for _, object := range objects {
		c.add(object)
	}
	for _, each := range c.pods {
		c.checkPods(each)
	}
	for _, each := range c.wishes {
		c.checkWish(each)
	}
	for _, each := range c.monitors {
		c.checkMonitor(each)
	}
	for _, each := range c.askers {
		c.checkAsker(each)
	}
	return c.faults
}

func (c *checker) fault(who, format string, arguments ...any) {
	c.faults = append(c.faults, fmt.Errorf("%s: %s", who, fmt.Sprintf(format, arguments...)))
}

func (c *checker) add(object runtime.Object) {
	about, err := meta.Accessor(object)
	if err != nil {
		c.faults = append(c.faults, err)
		return
	}
	who := object.GetObjectKind().GroupVersionKind().Kind + " " + about.GetName()
	if c.seen[who] {
		c.fault(who, "there are two of this name")
	}
	c.seen[who] = true
	for _, wrong := range validation.IsDNS1123Subdomain(about.GetName()) {
		c.fault(who, "%s", wrong)
	}
	c.checkLabels(who, about.GetLabels())
	switch typed := object.(type) {
	case *core.Service:
		for _, wrong := range validation.IsDNS1035Label(typed.Name) {
			c.fault(who, "%s", wrong)
		}
		c.services = append(c.services, typed)
		selector := typed.Spec.Selector
		delete(selector, apps.StatefulSetPodNameLabel) // The controller gives it to the pods.
		for _, port := range typed.Spec.Ports {
			c.wishes = append(c.wishes, wish{who, labels.SelectorFromSet(selector), port.TargetPort})
		}
	case *core.ConfigMap:
		for key := range typed.Data {
			for _, wrong := range validation.IsConfigMapKey(key) {
				c.fault(who, "%s", wrong)
			}
		}
	case *core.Pod:
		c.pods = append(c.pods, pods{who, typed.Labels, typed.Spec, nil})
		if typed.Annotations["helm.sh/hook"] == "test" {
			c.askers = append(c.askers, typed)
		}
	case *apps.StatefulSet:
		c.selects(who, typed.Spec.Selector, &typed.Spec.Template)
		c.pods = append(c.pods, pods{who, typed.Spec.Template.Labels, typed.Spec.Template.Spec, typed.Spec.VolumeClaimTemplates})
	case *apps.DaemonSet:
		c.selects(who, typed.Spec.Selector, &typed.Spec.Template)
		c.pods = append(c.pods, pods{who, typed.Spec.Template.Labels, typed.Spec.Template.Spec, nil})
	case *policy.PodDisruptionBudget:
		c.wishes = append(c.wishes, wish{who, c.selector(who, typed.Spec.Selector), intstr.IntOrString{}})
	case *networking.NetworkPolicy:
		c.policies = append(c.policies, typed)
		where := c.selector(who, &typed.Spec.PodSelector)
		for _, rule := range typed.Spec.Ingress {
			for _, port := range rule.Ports {
				c.wishes = append(c.wishes, wish{who, where, *port.Port})
			}
		}
	case *monitoring.ServiceMonitor:
		c.monitors = append(c.monitors, typed)
	}
}

func (c *checker) selector(who string, of *metav1.LabelSelector) labels.Selector {
	selector, err := metav1.LabelSelectorAsSelector(of)
	if err != nil {
		c.fault(who, "%v", err)
		return labels.Nothing()
	}
	return selector
}

func (c *checker) selects(who string, of *metav1.LabelSelector, template *core.PodTemplateSpec) {
	if !c.selector(who, of).Matches(labels.Set(template.Labels)) {
		c.fault(who, "its selector does not select its own pods")
	}
}

func (c *checker) checkLabels(who string, of map[string]string) {
	for key, value := range of {
		for _, wrong := range append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...) {
			c.fault(who, "label %s: %s", key, wrong)
		}
	}
}

func (c *checker) checkPods(of pods) {
	c.checkLabels(of.who, of.labels)
	volumes := map[string]bool{}
	name := func(kind, name string, wrongs []string) {
		for _, wrong := range wrongs {
			c.fault(of.who, "%s %s: %s", kind, name, wrong)
		}
	}
	for _, volume := range of.spec.Volumes {
		name("volume", volume.Name, validation.IsDNS1123Label(volume.Name))
		if volumes[volume.Name] {
			c.fault(of.who, "two volumes are called %s", volume.Name)
		}
		volumes[volume.Name] = true
	}
	for _, claim := range of.claims {
		volumes[claim.Name] = true
	}
	for _, container := range append(of.spec.InitContainers, of.spec.Containers...) {
		name("container", container.Name, validation.IsDNS1123Label(container.Name))
		places := map[string]bool{}
		for _, mount := range container.VolumeMounts {
			if !volumes[mount.Name] {
				c.fault(of.who, "container %s mounts %s, which is no volume", container.Name, mount.Name)
			}
			if places[mount.MountPath] {
				c.fault(of.who, "container %s mounts two volumes at %s", container.Name, mount.MountPath)
			}
			places[mount.MountPath] = true
		}
		for _, port := range container.Ports {
			name("port", port.Name, validation.IsValidPortName(port.Name))
		}
		for _, probe := range []*core.Probe{container.LivenessProbe, container.ReadinessProbe} {
			if probe != nil && !hasPort(core.PodSpec{Containers: []core.Container{container}}, probe.HTTPGet.Port) {
				c.fault(of.who, "container %s has no port %s for its probe", container.Name, probe.HTTPGet.Port.String())
			}
		}
	}
}

func hasPort(spec core.PodSpec, wanted intstr.IntOrString) bool {
	for _, container := range spec.Containers {
		for _, port := range container.Ports {
			if port.Name == wanted.StrVal || port.ContainerPort == wanted.IntVal {
				return true
			}
		}
	}
	return false
}

func (c *checker) checkWish(of wish) {
	found := false
	for _, each := range c.pods {
		if !of.where.Matches(labels.Set(each.labels)) {
			continue
		}
		found = true
		if of.port != (intstr.IntOrString{}) && !hasPort(each.spec, of.port) {
			c.fault(of.who, "%s has no port %s", each.who, of.port.String())
		}
	}
	if !found {
		c.fault(of.who, "no pod has the labels that it selects by")
	}
}

func (c *checker) checkMonitor(of *monitoring.ServiceMonitor) {
	where := c.selector("ServiceMonitor "+of.Name, &of.Spec.Selector)
	for _, endpoint := range of.Spec.Endpoints {
		found := 0
		for _, service := range c.services {
			for _, port := range service.Spec.Ports {
				if port.Name == endpoint.Port && where.Matches(labels.Set(service.Labels)) {
					found++
				}
			}
		}
		if found != 1 {
			c.fault("ServiceMonitor "+of.Name, "%d Services have its labels and the port %s; each pod would be read as often", found, endpoint.Port)
		}
	}
}
