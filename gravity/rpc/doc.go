// Package rpc lets the nodes of a cluster execute phases for each other, by
// gRPC between their agents. Both sides show a certificate of gravity's own
// authority; masters may ask for everything, other nodes only for what is about
// themselves.
//
// A phase belongs to the agent that executes it, not to the connection: if that
// is lost the phase goes on, and the caller finds it again by the call's ID, or
// by operation and phase if the caller is another process.
//
// Messages are JSON, since plans are stored and displayed as JSON, too: one
// form of a plan, and no compiler of another language in the build.
package rpc
