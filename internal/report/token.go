package report

import "time"

// JoinToken is a token by which machines join a cluster.
type JoinToken struct {
	ID string `json:"id"`
	// Token is the secret itself; only who makes it sees it.
	Token   string    `json:"token,omitempty"`
	Created time.Time `json:"created,omitzero"`
	// Expires is when it cannot be used any more; missing if never.
	Expires time.Time `json:"expires,omitzero"`
	Expired bool      `json:"expired,omitempty"`
}
