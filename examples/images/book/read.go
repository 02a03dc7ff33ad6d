package book

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// attempt bounds one request to the database: a member that died without a word,
// or is there and has no contact to the others, must not use up all of the caller's
// time. The first attempts are shorter, and each goes to another member.
const (
	firstAttempt = time.Second
	attempt      = 3 * time.Second
)

// retry repeats what may succeed at another member or a moment later, until the
// caller's time is over. Work must be safe to repeat.
func retry(ctx context.Context, work func(ctx context.Context) error) error {
	limit := firstAttempt
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		bounded, cancel := context.WithTimeout(ctx, limit)
		limit = min(limit*3/2, attempt)
		err := work(bounded)
		cancel()
		if err == nil || !passing(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}

// passing tells whether an error may be over soon.
func passing(err error) bool {
	if errors.Is(err, errRaced) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.ResourceExhausted:
		return true
	}
	// The client turns some of the server's errors into values of its own type.
	if known, ok := errors.AsType[interface {
		error
		Code() codes.Code
	}](err); ok {
		return known.Code() == codes.Unavailable || known.Code() == codes.DeadlineExceeded
	}
	return false
}

// page is how many rows are read at once.
const page = 500

// Each calls visit for all rows in the order of their numbers, as they were at
// one moment. An error of visit ends it and is returned.
func (b *Book) Each(ctx context.Context, visit func(Row) error) error {
	return b.eachValue(ctx, nil, func(value []byte, _ int64) error {
		row, err := decode(value)
		if err != nil {
			return err
		}
		return visit(row)
	})
}

// eachValue visits rows as they are stored, with the revision of the database
// that wrote each. It calls begin, if there is one, with how many rows there
// are before the first, and returns the revision that it read.
func (b *Book) eachValue(ctx context.Context, begin func(rows int64) error, visit func(value []byte, revision int64) error) error {
	from, end := rowPrefix, clientv3.GetPrefixRangeEnd(rowPrefix)
	var revision int64
	for {
		var found *clientv3.GetResponse
		err := retry(ctx, func(ctx context.Context) (err error) {
			found, err = b.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(page), clientv3.WithRev(revision))
			return err
		})
		if err != nil {
			return err
		}
		if revision == 0 {
			revision = found.Header.Revision
			if begin != nil {
				if err := begin(found.Count); err != nil {
					return err
				}
			}
		}
		for _, pair := range found.Kvs {
			if err := visit(pair.Value, pair.ModRevision); err != nil {
				return err
			}
			from = string(pair.Key) + "\x00"
		}
		if !found.More {
			return nil
		}
	}
}

// Count returns how many rows there are.
func (b *Book) Count(ctx context.Context) (rows int64, err error) {
	err = retry(ctx, func(ctx context.Context) error {
		found, err := b.client.Get(ctx, rowPrefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err == nil {
			rows = found.Count
		}
		return err
	})
	return rows, err
}

// Ready is nil if a majority of the database answers and writes are taken.
func (b *Book) Ready(ctx context.Context) error {
	return retry(ctx, func(ctx context.Context) error {
		found, err := b.client.Get(ctx, restoringKey)
		if err == nil && len(found.Kvs) > 0 {
			return ErrRestoring
		}
		return err
	})
}

// Member is a member of the database.
type Member struct {
	Name    string // empty before its first start
	Answers bool
}

// Members lists the members of the database and asks each whether it answers.
func (b *Book) Members(ctx context.Context) ([]Member, error) {
	var list *clientv3.MemberListResponse
	err := retry(ctx, func(ctx context.Context) (err error) {
		list, err = b.client.MemberList(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	members := make([]Member, len(list.Members))
	done := make(chan struct{}, len(members))
	for i, member := range list.Members {
		go func() {
			defer func() { done <- struct{}{} }()
			members[i] = Member{Name: member.Name, Answers: b.answers(ctx, member.ClientURLs)}
		}()
	}
	for range members {
		<-done
	}
	return members, nil
}

func (b *Book) answers(ctx context.Context, urls []string) bool {
	if len(urls) == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	_, err := b.client.Status(ctx, urls[0])
	return err == nil
}
