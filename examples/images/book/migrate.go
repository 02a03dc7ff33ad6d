package book

import (
	"context"
	"encoding/json"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Migrate brings all rows to the schema of this book and returns how many it
// changed; none the second time. Rows of schema 2 have a digest, and programs
// of schema 1 pass over it, so there is nothing to undo on the way back.
func (b *Book) Migrate(ctx context.Context) (changed int, err error) {
	if b.schema < 2 {
		return 0, nil
	}
	err = b.eachValue(ctx, nil, func(value []byte, revision int64) error {
		row, err := decode(value)
		if err != nil || row.Digest != "" {
			return err
		}
		// What other versions wrote stays.
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(value, &fields); err != nil {
			return err
		}
		if fields["digest"], err = json.Marshal(digest(row.Text)); err != nil {
			return err
		}
		migrated, err := json.Marshal(fields)
		if err != nil {
			return err
		}
		changed++
		return retry(ctx, func(ctx context.Context) error {
			name := rowName(row.ID)
			// A row that somebody else replaced meanwhile is of the new schema.
			_, err := b.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(name), "=", revision)).
				Then(clientv3.OpPut(name, string(migrated))).Commit()
			return err
		})
	})
	if err != nil {
		return 0, fmt.Errorf("migrate the rows: %w", err)
	}
	return changed, nil
}
