package install

import (
	"fmt"

	"github.com/gravity-platform/terraform-provider-gravity/gravity/paths"
)

// AgentUnit is the unit of the agent on the host.
const AgentUnit = "gravity-agent.service"

// agentText is the agent's unit. It must run before the kubelet does, since the
// way to the API servers leads through it, and it does not need the container.
func agentText(p paths.Paths) string {
	return fmt.Sprintf(`[Unit]
Description=Gravity agent
Documentation=https://github.com/gravity-platform/terraform-provider-gravity
Before=gravity-master.service
RequiresMountsFor=%[1]s
StartLimitIntervalSec=0

[Service]
ExecStart=%[2]s agent run --state-dir=%[1]s
Restart=always
RestartSec=1
LimitNOFILE=65536
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
`, p.Root, p.Program())
}
