// Package book keeps the ledger's rows in etcd. A row is written once and has
// a number; numbers begin at one and have no gaps.
//
// Keys in the database:
//
//	/ledger/last           number of the newest row
//	/ledger/rows/NUMBER    the row as JSON; 16 digits, so that order is by number
//	/ledger/keys/HASH      number of the row that has this idempotency key
//	/ledger/restoring      there while rows are replaced by those of a backup
package book

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	lastKey      = "/ledger/last"
	rowPrefix    = "/ledger/rows/"
	keyPrefix    = "/ledger/keys/"
	restoringKey = "/ledger/restoring"
)

// The limits of a row.
const (
	MaxText = 64 << 10
	MaxKey  = 200
)

// Errors on which callers branch.
var (
	// ErrKeyUsed tells that another text was written with the same key.
	ErrKeyUsed = errors.New("the idempotency key belongs to a row with another text")
	// ErrRestoring tells that rows are being replaced by those of a backup.
	ErrRestoring = errors.New("a backup is being restored")
)

// Row is a row of the ledger. Fields that this version does not know stay in
// the database, and in dumps, as they are.
type Row struct {
	ID   uint64    `json:"id"`
	Text string    `json:"text"`
	Time time.Time `json:"time"`
	// Digest is the SHA-256 of the text as sha256:HEX, since schema 2.
	Digest string `json:"digest,omitempty"`
	// Key is the idempotency key of who wrote the row.
	Key string `json:"key,omitempty"`
}

// Book is the rows in a database. Its methods may be called at the same time.
type Book struct {
	client *clientv3.Client
	// schema is 1, or 2 where rows have digests.
	schema int
	// turn lets one writer of this process at a time try, as others would only
	// take the number from each other.
	turn chan struct{}
}

// New makes a book that writes rows of a schema, 1 or 2.
func New(client *clientv3.Client, schema int) *Book {
	return &Book{client: client, schema: schema, turn: make(chan struct{}, 1)}
}

// Append writes a row and returns it when a majority of the database's members
// has it on disk. A text that was written with the same key before is not
// written again: its row is returned, and replayed is true. An error leaves
// open whether the row was written, unless the caller repeats with the key.
func (b *Book) Append(ctx context.Context, text, key string) (row Row, replayed bool, err error) {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return Row{}, false, fmt.Errorf("append a row: %w", context.Cause(ctx))
	}
	if key == "" {
		// Our own attempts need one as much as the caller's.
		key = "own-" + rand.Text()
	}
	row = Row{Text: text, Time: time.Now().UTC().Truncate(time.Millisecond), Key: key}
	if b.schema >= 2 {
		row.Digest = digest(text)
	}
	err = retry(ctx, func(ctx context.Context) error {
		replayed, err = b.tryAppend(ctx, &row)
		return err
	})
	if err != nil {
		return Row{}, false, fmt.Errorf("append a row: %w", err)
	}
	if replayed && row.Text != text {
		return Row{}, false, ErrKeyUsed
	}
	return row, replayed, nil
}

// errRaced tells that another replica took the number.
var errRaced = errors.New("another replica wrote at the same time")

// tryAppend looks for the key first: an attempt before this one may have
// succeeded although its answer was lost.
func (b *Book) tryAppend(ctx context.Context, row *Row) (replayed bool, err error) {
	name := keyName(row.Key)
	state, err := b.client.Txn(ctx).Then(clientv3.OpGet(name), clientv3.OpGet(lastKey), clientv3.OpGet(restoringKey)).Commit()
	if err != nil {
		return false, err
	}
	if len(state.Responses[2].GetResponseRange().Kvs) > 0 {
		return false, ErrRestoring
	}
	if found := state.Responses[0].GetResponseRange().Kvs; len(found) > 0 {
		known, err := b.get(ctx, string(found[0].Value))
		if err != nil {
			return false, err
		}
		*row = known
		return true, nil
	}
	var last uint64
	var revision int64
	if found := state.Responses[1].GetResponseRange().Kvs; len(found) > 0 {
		revision = found[0].ModRevision
		if last, err = strconv.ParseUint(string(found[0].Value), 10, 64); err != nil {
			return false, fmt.Errorf("number of the newest row: %w", err)
		}
	}
	row.ID = last + 1
	value, err := json.Marshal(row)
	if err != nil {
		return false, err
	}
	number := strconv.FormatUint(row.ID, 10)
	written, err := b.client.Txn(ctx).If(
		clientv3.Compare(clientv3.ModRevision(lastKey), "=", revision),
		clientv3.Compare(clientv3.CreateRevision(name), "=", 0),
		clientv3.Compare(clientv3.CreateRevision(restoringKey), "=", 0),
	).Then(
		clientv3.OpPut(lastKey, number),
		clientv3.OpPut(rowName(row.ID), string(value)),
		clientv3.OpPut(name, number),
	).Commit()
	if err != nil {
		return false, err
	}
	if !written.Succeeded {
		return false, errRaced
	}
	return false, nil
}

func (b *Book) get(ctx context.Context, number string) (Row, error) {
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return Row{}, fmt.Errorf("number of a row: %w", err)
	}
	found, err := b.client.Get(ctx, rowName(id))
	if err != nil {
		return Row{}, err
	}
	if len(found.Kvs) == 0 {
		return Row{}, fmt.Errorf("row %d is missing", id)
	}
	return decode(found.Kvs[0].Value)
}

func decode(value []byte) (Row, error) {
	var row Row
	if err := json.Unmarshal(value, &row); err != nil {
		return Row{}, fmt.Errorf("decode a row: %w", err)
	}
	return row, nil
}

func rowName(id uint64) string { return fmt.Sprintf("%s%016d", rowPrefix, id) }

func keyName(key string) string {
	sum := sha256.Sum256([]byte(key))
	return keyPrefix + hex.EncodeToString(sum[:])
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}
