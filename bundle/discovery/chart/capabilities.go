package chart

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// servedVersions are the API versions that Kubernetes serves unless it is told
// otherwise: the stable ones. Beta versions are off since 1.24, although client
// libraries know them, so a chart that asks for one must not find it.
var servedVersions = []string{
	"v1",
	"admissionregistration.k8s.io/v1", "apiextensions.k8s.io/v1", "apiregistration.k8s.io/v1", "apps/v1",
	"authentication.k8s.io/v1", "authorization.k8s.io/v1", "autoscaling/v1", "autoscaling/v2", "batch/v1",
	"certificates.k8s.io/v1", "coordination.k8s.io/v1", "discovery.k8s.io/v1", "events.k8s.io/v1",
	"flowcontrol.apiserver.k8s.io/v1", "networking.k8s.io/v1", "node.k8s.io/v1", "policy/v1",
	"rbac.authorization.k8s.io/v1", "resource.k8s.io/v1", "scheduling.k8s.io/v1", "storage.k8s.io/v1",
}

// servedSince are stable API versions that are younger than the oldest runtime,
// by the minor version of Kubernetes that brought them.
var servedSince = map[string]uint64{"storagemigration.k8s.io/v1": 37}

// capabilitiesOf is what charts see of the target cluster.
func capabilitiesOf(kubernetes string, extra []string) (*common.Capabilities, error) {
	version, err := common.ParseKubeVersion(kubernetes)
	if err != nil {
		return nil, fmt.Errorf("version of Kubernetes %q: %w", kubernetes, err)
	}
	served := slices.Clone(servedVersions)
	var minor uint64
	_, _ = fmt.Sscan(version.Minor, &minor)
	for name, since := range servedSince {
		if minor >= since {
			served = append(served, name)
		}
	}
	for kind := range scheme.Scheme.AllKnownTypes() {
		if name := kind.GroupVersion().String(); slices.Contains(served, name) && isResource(kind.Kind) {
			served = append(served, name+"/"+kind.Kind)
		}
	}
	served = append(served, extra...)
	slices.Sort(served)
	capabilities := common.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *version
	capabilities.APIVersions = slices.Compact(served)
	return capabilities, nil
}

// isResource says whether a type of the client library is one that a cluster
// lists, and not one of its helpers.
func isResource(kind string) bool {
	return !strings.HasSuffix(kind, "List") && !strings.HasSuffix(kind, "Options") && kind != "WatchEvent"
}

// withDefinitions adds what a chart's own definitions of custom resources bring:
// helm installs them before it renders.
func withDefinitions(capabilities *common.Capabilities, loaded *chart.Chart) *common.Capabilities {
	extended := capabilities.Copy()
	extended.APIVersions = slices.Clone(capabilities.APIVersions)
	for _, file := range loaded.CRDObjects() {
		for document := range strings.SplitSeq("\n"+string(file.File.Data), "\n---") {
			var definition struct {
				Kind string `json:"kind"`
				Spec struct {
					Group string `json:"group"`
					Names struct {
						Kind string `json:"kind"`
					} `json:"names"`
					Versions []struct {
						Name   string `json:"name"`
						Served bool   `json:"served"`
					} `json:"versions"`
				} `json:"spec"`
			}
			// What cannot be read is reported where all documents are read.
			if yaml.Unmarshal([]byte(document), &definition) != nil || definition.Kind != "CustomResourceDefinition" {
				continue
			}
			for _, version := range definition.Spec.Versions {
				if version.Served {
					name := definition.Spec.Group + "/" + version.Name
					extended.APIVersions = append(extended.APIVersions, name, name+"/"+definition.Spec.Names.Kind)
				}
			}
		}
	}
	return extended
}
