// Package signature says who vouches for a bundle: keys, and the file
// packages/index.json.sig.
//
// What is signed are the bytes of index.json as they are. It has the digest of
// everything else in the bundle, and says itself that it is the index of a
// bundle, so a signature of it cannot be taken for one of something else.
//
// # Format
//
// The file is text: a line with the version of the format, then one line for
// each signature, sorted, with the signer's public key (SubjectPublicKeyInfo in
// DER) and the signature, both in base64:
//
//	gravity bundle signatures 1
//	MCowBQYDK2VwAyEA… 9hRv…
//
// A key is Ed25519 (RFC 8032), or ECDSA on P-256 with SHA-256 and the nonces of
// RFC 6979, so that equal bundles and keys give equal files. The key alone says
// which of them it is; there is no field that could say something else. Its ID is
// the SHA-256 of the DER. Only one spelling of each line is accepted, and every
// signature must be right for its own key, so a changed bit is an error even to
// those who know no key. Whether a key is anybody's to trust, the file cannot
// tell.
//
// # Why a format of its own
//
// At the site there is often nothing but openssl to check a bundle before its
// program runs. DSSE signs an encoding that contains the payload a second time,
// cosign needs a registry or a log, and minisign has neither P-256 nor several
// signatures. A signature over the file as it lies there is checked by one
// command.
package signature
