package ephemerals

import (
	"encoding/json"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/gravity-platform/terraform-provider-gravity/provider/cluster"
)

// openedKey is where Terraform keeps what Open tells Close, in its memory.
const openedKey = "opened"

// openedToken is what is to be revoked, and where. The token itself is not in it.
type openedToken struct {
	ID      string
	Cluster string
	Expires time.Time
	Masters []cluster.Master
}

// plainToken is openedToken as JSON.
type plainToken struct {
	ID      string        `json:"id"`
	Cluster string        `json:"cluster"`
	Expires time.Time     `json:"expires"`
	Masters []plainMaster `json:"masters"`
}

type plainMaster struct {
	Address string  `json:"address"`
	Host    *string `json:"host,omitempty"`
	Port    *int64  `json:"port,omitempty"`
	User    *string `json:"user,omitempty"`
	HostKey *string `json:"host_key,omitempty"`
}

func (o *openedToken) plain() plainToken {
	plain := plainToken{ID: o.ID, Cluster: o.Cluster, Expires: o.Expires}
	for _, m := range o.Masters {
		plain.Masters = append(plain.Masters, plainMaster{
			Address: m.Address.ValueString(), Host: m.Host.ValueStringPointer(), Port: m.Port.ValueInt64Pointer(),
			User: m.User.ValueStringPointer(), HostKey: m.HostKey.ValueStringPointer(),
		})
	}
	return plain
}

// readOpened always returns a value, if an empty one.
func readOpened(content []byte) (*openedToken, error) {
	var plain plainToken
	err := json.Unmarshal(content, &plain)
	opened := &openedToken{ID: plain.ID, Cluster: plain.Cluster, Expires: plain.Expires}
	for _, m := range plain.Masters {
		opened.Masters = append(opened.Masters, cluster.Master{
			Address: types.StringValue(m.Address), Host: types.StringPointerValue(m.Host), Port: types.Int64PointerValue(m.Port),
			User: types.StringPointerValue(m.User), HostKey: types.StringPointerValue(m.HostKey),
		})
	}
	return opened, err
}
