// Package connection reaches machines over SSH: it finds out that they are the
// right ones, logs in, keeps one connection for each of them however many
// resources use it, and runs commands as root.
//
// A [Pool] has a [Host] for each configuration. A host connects when it is used
// for the first time, and again when the connection was lost. A machine that does
// not answer is tried until the configuration's timeout; one that answers and
// refuses the credentials, or has another host key, is an error at once.
//
// Host keys are always checked, unless the user says otherwise.
package connection
