package report

// Push is what `tele push` prints.
type Push struct {
	// Reference is the bundle's name in the hub.
	Reference string `json:"reference"`
	// Digest identifies the bundle, HubDigest what the name leads to in the hub.
	Digest    string `json:"digest"`
	HubDigest string `json:"hubDigest"`
	// Sent is how many bytes of blobs were sent, Reused how many of those that
	// were asked for were there.
	Sent   int64 `json:"sent"`
	Reused int64 `json:"reused"`
	// Unchanged tells that the hub had all of it, under this name.
	Unchanged bool `json:"unchanged"`
}

// Pull is what `tele pull --format=json` prints.
type Pull struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Reference string `json:"reference"`
	// Path is the file.
	Path string `json:"path"`
	// Digest identifies the bundle.
	Digest string `json:"digest"`
	// Size is the length of the file.
	Size       int64       `json:"size"`
	Signatures []Signature `json:"signatures"`
}

// HubBundles is what `tele ls` prints.
type HubBundles struct {
	Hub     string      `json:"hub"`
	Bundles []HubBundle `json:"bundles"`
}

// HubBundle is a bundle in a hub, as the hub describes it.
type HubBundle struct {
	Reference string `json:"reference"`
	Name      string `json:"name"`
	Version   string `json:"version"`
	// Runtime is the version of Kubernetes, empty if there is none.
	Runtime string `json:"runtime,omitempty"`
	Digest  string `json:"digest"`
	Size    int64  `json:"size"`
}

// Hub is what `tele login`, `logout` and `status` print.
type Hub struct {
	// Hub is HOST or HOST/PATH; empty if there is none.
	Hub string `json:"hub"`
	// User is who is logged in, empty for nobody.
	User string `json:"user,omitempty"`
	// Reachable tells that the hub answers, and accepts the user.
	Reachable bool `json:"reachable"`
}
