// Package access is how the provider's resources reach machines: the attribute
// ssh of the provider, what a node may override of it, and the connections made
// of both.
//
// Values come from the configuration, else from the environment
// (TF_GRAVITY_SSH_HOST and so on). A value that is not known yet, since another
// resource has it, is no error before somebody needs it: the provider is
// configured at plan time too.
package access
