package manifest

// Hooks are jobs of the application, by the point at which they run.
type Hooks map[HookName]Hook

// Hook is a Kubernetes job that runs at a point of the application's life.
type Hook struct {
	// Type is the name of the hook; it is not needed.
	Type HookName `json:"type,omitempty"`
	// Job is a Kubernetes Job (batch/v1) as YAML text, or a file:// or
	// http(s):// reference to it.
	Job Source `json:"job" manifest:"required,fetch=job"`
}

// HookName is the name of a point of the application's life.
type HookName string

// The hooks. The four of custom provisioning come together or not at all.
const (
	// HookClusterProvision provisions the machines of a cluster.
	HookClusterProvision HookName = "clusterProvision"
	// HookClusterDeprovision removes the machines of a cluster.
	HookClusterDeprovision HookName = "clusterDeprovision"
	// HookNodesProvision provisions machines that are added.
	HookNodesProvision HookName = "nodesProvision"
	// HookNodesDeprovision removes machines.
	HookNodesDeprovision HookName = "nodesDeprovision"
	// HookInstall installs the application.
	HookInstall HookName = "install"
	// HookPostInstall runs after the installation.
	HookPostInstall HookName = "postInstall"
	// HookUninstall removes the application.
	HookUninstall HookName = "uninstall"
	// HookPreUninstall runs before the application is removed.
	HookPreUninstall HookName = "preUninstall"
	// HookPreNodeAdd runs before a node joins.
	HookPreNodeAdd HookName = "preNodeAdd"
	// HookPostNodeAdd runs after a node joined.
	HookPostNodeAdd HookName = "postNodeAdd"
	// HookPreNodeRemove runs before a node is removed (S22).
	HookPreNodeRemove HookName = "preNodeRemove"
	// HookPostNodeRemove runs after a node was removed (S22).
	HookPostNodeRemove HookName = "postNodeRemove"
	// HookPreUpdate runs before an upgrade changes nodes, usually to scale
	// the application down.
	HookPreUpdate HookName = "preUpdate"
	// HookUpdate upgrades the application.
	HookUpdate HookName = "update"
	// HookPostUpdate runs after the upgrade, usually to scale the application
	// up again.
	HookPostUpdate HookName = "postUpdate"
	// HookRollback undoes an upgrade of the application.
	HookRollback HookName = "rollback"
	// HookPostRollback runs after the upgrade was undone.
	HookPostRollback HookName = "postRollback"
	// HookStatus checks every minute whether the application is healthy.
	HookStatus HookName = "status"
	// HookInfo prints information about the application.
	HookInfo HookName = "info"
	// HookLicenseUpdated runs after the license was replaced.
	HookLicenseUpdated HookName = "licenseUpdated"
	// HookStart starts the application.
	HookStart HookName = "start"
	// HookStop stops the application.
	HookStop HookName = "stop"
	// HookDump collects what a report of the cluster needs.
	HookDump HookName = "dump"
	// HookBackup saves the application's data (S70).
	HookBackup HookName = "backup"
	// HookRestore restores the application's data (S70).
	HookRestore HookName = "restore"
	// HookNetworkInstall installs an overlay network.
	HookNetworkInstall HookName = "networkInstall"
	// HookNetworkUpdate upgrades an overlay network.
	HookNetworkUpdate HookName = "networkUpdate"
	// HookNetworkRollback undoes an upgrade of an overlay network.
	HookNetworkRollback HookName = "networkRollback"
)

// Values returns the names of all hooks.
func (HookName) Values() []string {
	return []string{
		string(HookClusterProvision), string(HookClusterDeprovision),
		string(HookNodesProvision), string(HookNodesDeprovision),
		string(HookInstall), string(HookPostInstall), string(HookUninstall), string(HookPreUninstall),
		string(HookPreNodeAdd), string(HookPostNodeAdd), string(HookPreNodeRemove), string(HookPostNodeRemove),
		string(HookPreUpdate), string(HookUpdate), string(HookPostUpdate),
		string(HookRollback), string(HookPostRollback),
		string(HookStatus), string(HookInfo), string(HookLicenseUpdated),
		string(HookStart), string(HookStop), string(HookDump), string(HookBackup), string(HookRestore),
		string(HookNetworkInstall), string(HookNetworkUpdate), string(HookNetworkRollback),
	}
}

// provisioningHooks are the hooks of custom provisioning.
var provisioningHooks = []HookName{
	HookClusterProvision, HookClusterDeprovision, HookNodesProvision, HookNodesDeprovision,
}
