package expand_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
)

// standBefore passes requests on to a master, after it has read them, as somebody who
// has no certificate of the cluster can. It returns when it cannot.
func standBefore(master string) error {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "https", Host: master})
	proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // it is an impostor
	unused := httptest.NewUnstartedServer(nil)
	unused.StartTLS()
	defer unused.Close()
	server := &http.Server{
		Addr: ":3009", TLSConfig: &tls.Config{Certificates: unused.TLS.Certificates, MinVersion: tls.VersionTLS13}, //nolint:gosec // a test
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintln(os.Stderr, r.URL.Path)
			proxy.ServeHTTP(w, r)
		}),
	}
	return server.ListenAndServeTLS("", "")
}
