package health

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestEtcd wants alarms and sizes of an etcd that can be read to be told.
func TestEtcd(t *testing.T) {
	const metrics = `# HELP etcd_mvcc_db_total_size_in_bytes Total size.
# TYPE etcd_mvcc_db_total_size_in_bytes gauge
etcd_mvcc_db_total_size_in_bytes %s
etcd_mvcc_db_total_size_in_bytes_of_others 1
etcd_server_quota_backend_bytes %s
`
	const quota = "2.147483648e+09"
	for _, test := range []struct {
		name, readyz, health, metrics string
		level, detail, problem        string
	}{
		{"well", "", "", fmt.Sprintf(metrics, "2.097152e+07", quota), "well", "20 MiB, 0% of its quota", ""},
		{"nearly full", "", "", fmt.Sprintf(metrics, "1.8e+09", quota), "warning", "1717 MiB, 83% of its quota", "83% of its quota of 2048 MiB"},
		{"no quota", "", "", fmt.Sprintf(metrics, "1.8e+09", "-1"), "well", "1717 MiB", ""},
		{"no figures", "", "", "none", "well", "", ""},
		{"full", "", `{"health":"false","reason":"ALARM NOSPACE"}`, "", "failed", "", "$E defrag --cluster; $E alarm disarm"},
		{"corrupt", "", `{"health":"false","reason":"ALARM CORRUPT"}`, "", "failed", "", "ALARM CORRUPT"},
		{"cannot be read", "[-]linearizable_read failed: no leader", "", "", "failed", "", "[-]linearizable_read failed: no leader"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer := func(problem, text string) http.HandlerFunc {
				return func(w http.ResponseWriter, _ *http.Request) {
					if problem != "" {
						w.WriteHeader(http.StatusServiceUnavailable)
						text = problem
					}
					fmt.Fprint(w, text)
				}
			}
			mux := http.NewServeMux()
			mux.Handle("/readyz", answer(test.readyz, "ok"))
			mux.Handle("/health", answer(test.health, `{"health":"true","reason":""}`))
			mux.Handle("/metrics", answer("", test.metrics))
			server := httptest.NewServer(mux)
			defer server.Close()
			detail, err := etcd{server.URL}.check(t.Context())
			if level(err) != test.level || detail != test.detail || err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%q, %v, want %s: %s, %s", detail, err, test.level, test.detail, test.problem)
			}
			if err != nil && len(err.Error()) > maxError {
				t.Errorf("%d bytes are cut off", len(err.Error())-maxError)
			}
		})
	}
	if _, err := (etcd{"http://127.0.0.1:1"}).check(t.Context()); level(err) != "failed" {
		t.Errorf("nobody is there: %v", err)
	}
}
