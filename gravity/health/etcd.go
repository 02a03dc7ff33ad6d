package health

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// etcd asks the etcd of this master how it is, and how full.
type etcd struct {
	// url is where it answers without certificates: kubeadm's --listen-metrics-urls.
	url string
}

// etcdWarning is how much of its quota etcd may use, in percent, before that is
// warned of. At 100 it takes no writes until somebody makes room.
const etcdWarning = 80

// etcdRoom is how room is made. What Kubernetes has deleted is given back, which it
// is not by itself; then writes are allowed again.
const etcdRoom = `make room with E="gravity exec etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt ` +
	`--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key"; ` +
	`$E defrag --cluster; $E alarm disarm`

// check asks whether etcd can be read, for alarms, which do not count for that, and
// for its size.
func (e etcd) check(ctx context.Context) (string, error) {
	if _, err := get(ctx, e.url+"/readyz", nil); err != nil {
		return "", err
	}
	if _, err := get(ctx, e.url+"/health", nil); err != nil {
		if strings.Contains(err.Error(), "NOSPACE") {
			return "", fmt.Errorf("etcd is full, and the cluster cannot be changed: %w; %s", err, etcdRoom)
		}
		return "", err
	}
	metrics, err := get(ctx, e.url+"/metrics", nil)
	if err != nil {
		return "", warning{err}
	}
	return judgeSize(value(metrics, "etcd_mvcc_db_total_size_in_bytes"), value(metrics, "etcd_server_quota_backend_bytes"))
}

// judgeSize compares the size of the database with its quota, in bytes. A negative
// quota is none; zero is not known.
func judgeSize(size, quota float64) (string, error) {
	if size <= 0 {
		return "", nil
	}
	detail := fmt.Sprintf("%.0f MiB", size/(1<<20))
	if quota <= 0 {
		return detail, nil
	}
	percent := int(100 * (size / quota))
	detail += fmt.Sprintf(", %d%% of its quota", percent)
	if percent >= etcdWarning {
		return detail, warn("etcd uses %d%% of its quota of %.0f MiB, the warning is at %d%%; at 100%% the cluster cannot be changed; %s",
			percent, quota/(1<<20), etcdWarning, etcdRoom)
	}
	return detail, nil
}

// value is that of a metric without labels in Prometheus' text format; zero if it is
// not there.
func value(metrics, name string) float64 {
	for line := range strings.Lines(metrics) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			number, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err == nil {
				return number
			}
		}
	}
	return 0
}
