package book

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// header is the first line of a dump.
type header struct {
	Ledger int   `json:"ledger"` // version of the format
	Rows   int64 `json:"rows"`
}

// maxLine bounds a line of a dump: a row's text, six bytes for a letter at
// worst, and the rest of the row.
const maxLine = 6*MaxText + 4096

// Dump writes all rows as they are stored: a header, then a row in each line.
func (b *Book) Dump(ctx context.Context, w io.Writer) (rows int64, err error) {
	out := bufio.NewWriter(w)
	begin := func(count int64) error {
		rows = count
		return json.NewEncoder(out).Encode(header{Ledger: 1, Rows: count})
	}
	err = b.eachValue(ctx, begin, func(value []byte, _ int64) error {
		if _, err := out.Write(value); err != nil {
			return err
		}
		return out.WriteByte('\n')
	})
	if err != nil {
		return 0, fmt.Errorf("dump the rows: %w", err)
	}
	return rows, out.Flush()
}

// Load makes the rows those of a dump, with the numbers that they have there.
// The dump is read twice: nothing is changed unless all of it is valid. While
// it runs, and after a failure until it succeeds, nobody else can write rows.
func (b *Book) Load(ctx context.Context, dump io.ReadSeeker) (rows int64, err error) {
	if rows, err = readDump(dump, func(Row, []byte) error { return nil }); err != nil {
		return 0, fmt.Errorf("nothing was changed: %w", err)
	}
	if _, err := dump.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("read the dump again: %w", err)
	}
	if err := b.commit(ctx, []clientv3.Op{clientv3.OpPut(restoringKey, "")}); err != nil {
		return 0, fmt.Errorf("stop others from writing: %w", err)
	}
	if err := b.replaceRows(ctx, dump); err != nil {
		return 0, fmt.Errorf("load the rows (writing stays off until it is repeated): %w", err)
	}
	return rows, nil
}

// batch is how many rows are written at once, two keys for each; etcd takes 128
// keys, and 1.5 MB.
const (
	batchRows  = 60
	batchBytes = 512 << 10
)

func (b *Book) replaceRows(ctx context.Context, dump io.Reader) error {
	// Nothing of before may stay, keys included.
	ops := []clientv3.Op{
		clientv3.OpDelete(rowPrefix, clientv3.WithPrefix()),
		clientv3.OpDelete(keyPrefix, clientv3.WithPrefix()),
		clientv3.OpDelete(lastKey),
	}
	if err := b.commit(ctx, ops); err != nil {
		return err
	}
	ops, size, last := nil, 0, uint64(0)
	_, err := readDump(dump, func(row Row, line []byte) error {
		ops = append(ops, clientv3.OpPut(rowName(row.ID), string(line)))
		if row.Key != "" {
			ops = append(ops, clientv3.OpPut(keyName(row.Key), strconv.FormatUint(row.ID, 10)))
		}
		size += len(line)
		last = row.ID
		if len(ops) < 2*batchRows && size < batchBytes {
			return nil
		}
		full := ops
		ops, size = nil, 0
		return b.commit(ctx, full)
	})
	if err != nil {
		return err
	}
	if last > 0 {
		ops = append(ops, clientv3.OpPut(lastKey, strconv.FormatUint(last, 10)))
	}
	return b.commit(ctx, append(ops, clientv3.OpDelete(restoringKey)))
}

// commit writes in one transaction; what it writes may be written again.
func (b *Book) commit(ctx context.Context, ops []clientv3.Op) error {
	return retry(ctx, func(ctx context.Context) error {
		_, err := b.client.Txn(ctx).Then(ops...).Commit()
		return err
	})
}

// readDump checks a dump and calls visit for each row with its line.
func readDump(dump io.Reader, visit func(row Row, line []byte) error) (int64, error) {
	lines := bufio.NewScanner(dump)
	lines.Buffer(nil, maxLine)
	var head header
	if !lines.Scan() {
		return 0, errors.Join(errors.New("the dump has no header"), lines.Err())
	}
	if err := json.Unmarshal(lines.Bytes(), &head); err != nil || head.Ledger != 1 || head.Rows < 0 {
		return 0, errors.New("line 1 is not the header of a dump")
	}
	var rows int64
	var last uint64
	for lines.Scan() {
		line := bytes.Clone(lines.Bytes())
		row, err := decode(line)
		if err != nil {
			return 0, fmt.Errorf("line %d: %w", rows+2, err)
		}
		if row.ID <= last {
			return 0, fmt.Errorf("line %d: row %d stands after row %d", rows+2, row.ID, last)
		}
		if len(row.Text) > MaxText || len(row.Key) > MaxKey {
			return 0, fmt.Errorf("line %d: row %d is too long", rows+2, row.ID)
		}
		last = row.ID
		rows++
		if err := visit(row, line); err != nil {
			return 0, err
		}
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("line %d: %w", rows+2, err)
	}
	if rows != head.Rows {
		return 0, fmt.Errorf("the dump has %d rows, its header says %d: it was cut short", rows, head.Rows)
	}
	return rows, nil
}
