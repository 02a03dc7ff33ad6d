package report

// Signature is one of a bundle's. It is right for its key; whether the key is
// anybody's to trust is another question.
type Signature struct {
	// Key is the ID of the signer's public key: the SHA-256 of its DER.
	Key string `json:"key"`
	// Algorithm is ed25519 or ecdsa-p256.
	Algorithm string `json:"algorithm"`
	// File is the public key that was given and is the signer's; empty if none
	// was.
	File string `json:"file,omitempty"`
}

// Key is what `tele key` prints.
type Key struct {
	// ID identifies the key: the SHA-256 of the public key's DER.
	ID        string `json:"id"`
	Algorithm string `json:"algorithm"`
	// PublicKey is in PEM.
	PublicKey string `json:"publicKey"`
	// Path is the file of the private key.
	Path string `json:"path"`
}

// Signing is what `tele sign` prints.
type Signing struct {
	// Digest identifies the bundle.
	Digest string `json:"digest"`
	// Path is the file.
	Path string `json:"path"`
	// Signatures are all that the bundle has.
	Signatures []Signature `json:"signatures"`
}
