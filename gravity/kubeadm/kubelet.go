package kubeadm

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gravity-platform/terraform-provider-gravity/bundle/manifest"
)

// KubeletSettings are a profile's flags of the kubelet, sorted out (S110).
type KubeletSettings struct {
	// Fields are those of KubeletConfiguration that flags stand for.
	Fields map[string]any
	// Rest are flags that have no field, by their names without dashes.
	Rest map[string]string
}

// kind says how the value of a flag is written.
type kind int

const (
	text kind = iota
	number
	truth
	duration
	list       // a,b
	thresholds // a<b,c<d
	pairs      // a=b,c=d
	truths     // a=true,b=false
)

// kubeletFlags maps flags of the kubelet to fields of its configuration. Most
// of these flags are deprecated; some are gone.
var kubeletFlags = map[string]struct {
	field string
	kind  kind
}{
	"allowed-unsafe-sysctls":              {"allowedUnsafeSysctls", list},
	"cluster-dns":                         {"clusterDNS", list},
	"cluster-domain":                      {"clusterDomain", text},
	"container-log-max-files":             {"containerLogMaxFiles", number},
	"container-log-max-size":              {"containerLogMaxSize", text},
	"cpu-cfs-quota":                       {"cpuCFSQuota", truth},
	"cpu-manager-policy":                  {"cpuManagerPolicy", text},
	"cpu-manager-reconcile-period":        {"cpuManagerReconcilePeriod", duration},
	"enforce-node-allocatable":            {"enforceNodeAllocatable", list},
	"event-burst":                         {"eventBurst", number},
	"event-qps":                           {"eventRecordQPS", number},
	"eviction-hard":                       {"evictionHard", thresholds},
	"eviction-max-pod-grace-period":       {"evictionMaxPodGracePeriod", number},
	"eviction-minimum-reclaim":            {"evictionMinimumReclaim", pairs},
	"eviction-pressure-transition-period": {"evictionPressureTransitionPeriod", duration},
	"eviction-soft":                       {"evictionSoft", thresholds},
	"eviction-soft-grace-period":          {"evictionSoftGracePeriod", pairs},
	"fail-swap-on":                        {"failSwapOn", truth},
	"feature-gates":                       {"featureGates", truths},
	"hairpin-mode":                        {"hairpinMode", text},
	"image-gc-high-threshold":             {"imageGCHighThresholdPercent", number},
	"image-gc-low-threshold":              {"imageGCLowThresholdPercent", number},
	"kube-api-burst":                      {"kubeAPIBurst", number},
	"kube-api-qps":                        {"kubeAPIQPS", number},
	"kube-reserved":                       {"kubeReserved", pairs},
	"make-iptables-util-chains":           {"makeIPTablesUtilChains", truth},
	"max-open-files":                      {"maxOpenFiles", number},
	"max-pods":                            {"maxPods", number},
	"memory-manager-policy":               {"memoryManagerPolicy", text},
	"minimum-image-ttl-duration":          {"imageMinimumGCAge", duration},
	"node-status-update-frequency":        {"nodeStatusUpdateFrequency", duration},
	"oom-score-adj":                       {"oomScoreAdj", number},
	"pod-max-pids":                        {"podPidsLimit", number},
	"pods-per-core":                       {"podsPerCore", number},
	"protect-kernel-defaults":             {"protectKernelDefaults", truth},
	"read-only-port":                      {"readOnlyPort", number},
	"registry-burst":                      {"registryBurst", number},
	"registry-qps":                        {"registryPullQPS", number},
	"reserved-cpus":                       {"reservedSystemCPUs", text},
	"runtime-request-timeout":             {"runtimeRequestTimeout", duration},
	"serialize-image-pulls":               {"serializeImagePulls", truth},
	"streaming-connection-idle-timeout":   {"streamingConnectionIdleTimeout", duration},
	"sync-frequency":                      {"syncFrequency", duration},
	"system-reserved":                     {"systemReserved", pairs},
	"tls-cipher-suites":                   {"tlsCipherSuites", list},
	"tls-min-version":                     {"tlsMinVersion", text},
	"topology-manager-policy":             {"topologyManagerPolicy", text},
	"volume-stats-agg-period":             {"volumeStatsAggPeriod", duration},
}

// gone are flags that the kubelet would refuse to start with, and that mean
// nothing where containers run under containerd.
var gone = map[string]bool{
	"allow-privileged": true, "cadvisor-port": true, "cni-bin-dir": true, "cni-conf-dir": true, "container-runtime": true,
	"docker-endpoint": true, "image-pull-progress-deadline": true, "network-plugin": true, "network-plugin-mtu": true,
	"pod-infra-container-image": true, "experimental-fail-swap-on": true, "non-masquerade-cidr": true,
}

// ParseKubeletFlags sorts a profile's flags of the kubelet: into fields of its
// configuration, and those that have none. Flags that are gone are left out. An
// error names the flag.
func ParseKubeletFlags(flags []manifest.Flag) (KubeletSettings, error) {
	settings := KubeletSettings{Fields: make(map[string]any), Rest: make(map[string]string)}
	for _, flag := range flags {
		name := strings.TrimLeft(flag.Name, "-")
		if !utf8.ValidString(flag.Value) || strings.ContainsFunc(flag.Value, unicode.IsControl) {
			return KubeletSettings{}, fmt.Errorf("systemOptions.kubelet.args: %s: %q is not plain text", flag.Name, flag.Value)
		}
		known, ok := kubeletFlags[name]
		if !ok {
			if !gone[name] {
				settings.Rest[name] = flag.Value
			}
			continue
		}
		value, err := known.kind.parse(flag.Value)
		if err != nil {
			return KubeletSettings{}, fmt.Errorf("systemOptions.kubelet.args: %s: %w", flag.Name, err)
		}
		settings.Fields[known.field] = value
	}
	return settings, nil
}

func (k kind) parse(value string) (any, error) {
	switch k {
	case number:
		return strconv.ParseInt(value, 10, 64)
	case truth:
		if value == "" {
			return true, nil
		}
		return strconv.ParseBool(value)
	case duration:
		length, err := time.ParseDuration(value)
		return length.String(), err
	case list:
		return strings.FieldsFunc(value, func(r rune) bool { return r == ',' }), nil
	case thresholds:
		return mapping(value, "<", func(text string) (any, error) { return text, nil })
	case pairs:
		return mapping(value, "=", func(text string) (any, error) { return text, nil })
	case truths:
		return mapping(value, "=", func(text string) (any, error) { return strconv.ParseBool(text) })
	default:
		return value, nil
	}
}

func mapping(value, separator string, parse func(string) (any, error)) (object, error) {
	entries := object{}
	for part := range strings.SplitSeq(value, ",") {
		if part == "" {
			continue
		}
		key, text, ok := strings.Cut(part, separator)
		if !ok || key == "" || text == "" {
			return nil, fmt.Errorf("%q is not NAME%sVALUE", part, separator)
		}
		parsed, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		entries[key] = parsed
	}
	return entries, nil
}
