package report

// Verification is what `tele verify` prints.
type Verification struct {
	// Name and Version are the application's.
	Name    string `json:"name"`
	Version string `json:"version"`
	// Digest identifies the bundle.
	Digest string `json:"digest"`
	// Intact tells that there are no problems: the bundle is complete, and
	// nothing in it has changed since it was written.
	Intact bool `json:"intact"`
	// Signatures are those of the bundle; those of keys that were given have their
	// files.
	Signatures []Signature `json:"signatures"`
	// Entries, Blobs and Bytes count what was read.
	Entries int   `json:"entries"`
	Blobs   int   `json:"blobs"`
	Bytes   int64 `json:"bytes"`
	// Lacking is how many blobs are in the bundle's bases, of LackingBytes.
	// Unchecked tells that bases were not at hand: those blobs were not checked,
	// nor what is restored from them.
	Lacking      int   `json:"lacking"`
	LackingBytes int64 `json:"lackingBytes"`
	Unchecked    bool  `json:"unchecked"`
	// Problems are sorted by entry.
	Problems []Problem `json:"problems"`
}

// Problem is something that is wrong with a bundle.
type Problem struct {
	// Entry is the name of the entry, empty for the end of the tar.
	Entry string `json:"entry,omitempty"`
	// Owner is what the entry belongs to, such as "image
	// docker.io/library/nginx:1.27".
	Owner string `json:"owner,omitempty"`
	// Message says what is wrong.
	Message string `json:"message"`
}

// Progress is what commands with -o json print on standard error while they
// work, as an object on each line with the only key progress.
type Progress struct {
	// Action is what is being done, such as "verify".
	Action string `json:"action"`
	// Done and Total are bytes.
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
	// Rate is bytes in a second since the start.
	Rate int64 `json:"rate"`
}
