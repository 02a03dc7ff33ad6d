//go:build !linux

package store

// sync does nothing: nodes run Linux.
func (s *Store) sync() error { return nil }
