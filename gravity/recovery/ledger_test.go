package recovery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// ledger is the application as its users see it, at the port of any node. Users
// take the next address when one does not answer.
type ledger struct {
	addresses []netip.Addr
	client    *http.Client
	next      int
	// rows are those that were acknowledged.
	rows []string
}

const (
	// dialTimeout and askTimeout are how long users wait before they try again.
	dialTimeout = time.Second
	askTimeout  = 3 * time.Second
)

// write appends rows until the context ends. Nobody else may use the ledger
// meanwhile.
func (l *ledger) write(ctx context.Context, r *record) {
	for attempt := 1; ctx.Err() == nil; attempt++ {
		text := fmt.Sprintf("%d-%d", r.begun.UnixNano(), attempt)
		if _, err := l.ask(ctx, http.MethodPost, text); err != nil {
			if ctx.Err() == nil {
				r.add(time.Now(), err.Error())
			}
			l.next++
		} else {
			l.rows = append(l.rows, text)
			r.add(time.Now(), "")
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// missing are acknowledged rows that are not there.
func (l *ledger) missing(ctx context.Context) ([]string, error) {
	body, err := l.ask(ctx, http.MethodGet, "")
	if err != nil {
		return nil, err
	}
	var listed []struct{ Text string }
	if err := json.Unmarshal(body, &listed); err != nil {
		return nil, err
	}
	there := make(map[string]bool, len(listed))
	for _, row := range listed {
		there[row.Text] = true
	}
	var missing []string
	for _, row := range l.rows {
		if !there[row] {
			missing = append(missing, row)
		}
	}
	return missing, nil
}

func (l *ledger) ask(ctx context.Context, method, text string) ([]byte, error) {
	if l.client == nil {
		l.client = &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext}}
	}
	limit := askTimeout
	if method == http.MethodGet {
		limit = 20 * time.Second // of all rows
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	url := "http://" + net.JoinHostPort(l.addresses[l.next%len(l.addresses)].String(), "30080") + "/rows"
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	response, err := l.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusBadRequest {
		err = errors.New(response.Status + ": " + string(body))
	}
	return body, err
}
