package main

import (
	"strconv"
	"strings"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// checkAsker follows each HOST:PORT in the environment of a pod to the pods behind it, which must let it in.
func (c *checker) checkAsker(of *core.Pod) {
	for _, container := range of.Spec.Containers {
		for _, variable := range container.Env {
			for _, place := range strings.Fields(variable.Value) {
				c.checkPlace("Pod "+of.Name, of, place)
			}
		}
	}
}

func (c *checker) checkPlace(who string, asker *core.Pod, place string) {
	host, port, _ := strings.Cut(place, ":")
	host = host[strings.LastIndex(host, ".")+1:] // POD.SERVICE is a pod of a Service without an address.
	number, _ := strconv.Atoi(port)
	for _, service := range c.services {
		for _, each := range service.Spec.Ports {
			if service.Name == host && each.Port == int32(number) {
				c.checkLetsIn(who, asker, place, labels.SelectorFromSet(service.Spec.Selector), each.TargetPort)
				return
			}
		}
	}
	c.fault(who, "asks %s, which is no Service's", place)
}

func (c *checker) checkLetsIn(who string, asker *core.Pod, place string, where labels.Selector, port intstr.IntOrString) {
	for _, each := range c.pods {
		if !where.Matches(labels.Set(each.labels)) {
			continue
		}
		for _, policy := range c.policies {
			if c.selector(who, &policy.Spec.PodSelector).Matches(labels.Set(each.labels)) && !c.letsIn(who, policy, asker, port) {
				c.fault(who, "asks %s, where NetworkPolicy %s does not let it in", place, policy.Name)
			}
		}
	}
}

func (c *checker) letsIn(who string, policy *networking.NetworkPolicy, asker *core.Pod, port intstr.IntOrString) bool {
	for _, rule := range policy.Spec.Ingress {
		hasPort := false
		for _, each := range rule.Ports {
			hasPort = hasPort || *each.Port == port
		}
		if hasPort && c.isPeer(who, rule.From, asker) {
			return true
		}
	}
	return false
}

// isPeer knows of other namespaces only that they may be others than this one.
func (c *checker) isPeer(who string, peers []networking.NetworkPolicyPeer, asker *core.Pod) bool {
	for _, peer := range peers {
		if peer.PodSelector != nil && peer.NamespaceSelector == nil && c.selector(who, peer.PodSelector).Matches(labels.Set(asker.Labels)) {
			return true
		}
	}
	return len(peers) == 0
}
