// Package web is the ledger's HTTP interface.
package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gravity-platform/terraform-provider-gravity/examples/images/book"
)

// IdempotencyKey is the header with which a request may be repeated without
// writing a second row.
const IdempotencyKey = "Idempotency-Key"

// How long requests may take.
const (
	writeWithin = 15 * time.Second
	readyWithin = 4 * time.Second
	listWithin  = 5 * time.Minute
)

// maxBody bounds a request: a text, in JSON six bytes for a letter at worst.
const maxBody = 6*book.MaxText + 1024

type server struct {
	book    *book.Book
	version string
	log     *slog.Logger
}

// Handler answers requests to the ledger.
func Handler(rows *book.Book, version string, log *slog.Logger) http.Handler {
	s := &server{book: rows, version: version, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /rows", s.append)
	mux.HandleFunc("GET /rows", s.list)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"version": version})
	})
	mux.HandleFunc("GET /{$}", s.overview)
	return s.logged(mux)
}

// append writes a row: 201 with its number when a majority has it, and again
// when the request is repeated with its key.
func (s *server) append(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), writeWithin, fmt.Errorf("no majority of the database within %s", writeWithin))
	defer cancel()
	text, err := readText(w, r)
	if err != nil {
		status := http.StatusBadRequest
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge || errors.Is(err, errTooLong) {
			status = http.StatusRequestEntityTooLarge
		}
		fail(w, status, err)
		return
	}
	key := r.Header.Get(IdempotencyKey)
	if len(key) > book.MaxKey {
		fail(w, http.StatusBadRequest, fmt.Errorf("%s is longer than %d bytes", IdempotencyKey, book.MaxKey))
		return
	}
	row, replayed, err := s.book.Append(ctx, text, key)
	switch {
	case errors.Is(err, book.ErrKeyUsed):
		fail(w, http.StatusConflict, err)
		return
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	if replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.Header().Set("X-Row-Id", strconv.FormatUint(row.ID, 10))
	writeJSON(w, http.StatusCreated, shown(row))
}

var errTooLong = fmt.Errorf("the text is longer than %d bytes", book.MaxText)

// readText takes the text from {"text": …} or, whatever else the body is
// declared as, from the body itself.
func readText(w http.ResponseWriter, r *http.Request) (string, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return "", err
	}
	text := string(body)
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		var row struct {
			Text string `json:"text"`
		}
		if err := json.Unmarshal(body, &row); err != nil {
			return "", fmt.Errorf("the body is not JSON like {\"text\": \"…\"}: %w", err)
		}
		text = row.Text
	}
	switch {
	case text == "":
		return "", errors.New("the text is empty")
	case len(text) > book.MaxText:
		return "", errTooLong
	case !utf8.ValidString(text):
		return "", errors.New("the text is not UTF-8")
	}
	return text, nil
}

// shown is what others see of a row: keys are of those who wrote.
func shown(row book.Row) book.Row {
	row.Key = ""
	return row
}

// list streams all rows as a JSON array. When the database fails in the middle,
// the connection breaks: a list that ends well is complete.
func (s *server) list(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), listWithin)
	defer cancel()
	// While a backup is restored, only some of the rows are there.
	if err := s.book.Ready(ctx); err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	separator := "["
	err := s.book.Each(ctx, func(row book.Row) error {
		if separator == "[" {
			w.Header().Set("Content-Type", "application/json")
		}
		line, err := json.Marshal(shown(row))
		if err == nil {
			_, err = fmt.Fprintf(w, "%s\n%s", separator, line)
		}
		separator = ","
		return err
	})
	switch {
	case err != nil && separator == "[":
		fail(w, http.StatusServiceUnavailable, err)
	case err != nil:
		s.log.Error("the list of rows broke off", "error", err)
		panic(http.ErrAbortHandler)
	case separator == "[":
		writeJSON(w, http.StatusOK, []book.Row{})
	default:
		_, _ = io.WriteString(w, "\n]\n")
	}
}

func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), readyWithin, errors.New("no majority of the database answers"))
	defer cancel()
	if err := s.book.Ready(ctx); err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// overview is for people.
func (s *server) overview(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), readyWithin, errors.New("no majority of the database answers"))
	defer cancel()
	rows, err := s.book.Count(ctx)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	members, err := s.book.Members(ctx)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, "ledger %s\nrows: %d\n", s.version, rows)
	for _, member := range members {
		state := "does not answer"
		if member.Answers {
			state = "answers"
		}
		_, _ = fmt.Fprintf(w, "member %s: %s\n", member.Name, state)
	}
}

func fail(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// logged writes a line for each request but those of probes.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		recorder := &recorder{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			probe := r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
			if probe && recorder.status == http.StatusOK {
				return
			}
			s.log.Info("request", "id", rand.Text()[:8], "method", r.Method, "path", r.URL.Path, "status", recorder.status,
				"row", w.Header().Get("X-Row-Id"), "milliseconds", time.Since(began).Milliseconds())
		}()
		next.ServeHTTP(recorder, r)
	})
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
