// Package operation executes what changes a cluster (install, join, upgrade,
// garbage collection, …) as plans: trees of phases that are stored before the
// first of them runs, so that an operation can be displayed, continued after a
// crash, and rolled back (S47–S57).
//
// A [Plan] never changes once it is stored. What happened is a changelog: an
// [Entry] for each new state of a leaf phase, in order of epoch and sequence.
// The state of a phase is its last entry's; [Resolve] fills it in. A [Store]
// keeps plans and changelogs, and gives the changelog of an operation to one
// process at a time.
//
// An [Engine] runs phases: it stores "in_progress" before a phase touches
// anything and "completed" after all is done. A phase that is found in progress
// belongs to a process that died, and is run again. So what an [Executor] does
// must be repeatable from any point at which it may have stopped.
package operation
