package rpc

import "syscall"

// errRefused is how the kernel tells that nobody listens.
const errRefused = syscall.ECONNREFUSED
