# A cluster that something else installed. One living master is enough.
data "gravity_cluster" "site" {
  masters = [
    { address = "10.0.0.11" },
    { address = "10.0.0.12" },
    { address = "10.0.0.13" },
  ]
}

output "offline" {
  value = [for node in data.gravity_cluster.site.nodes : node.name if node.status == "offline"]
}

# Warns while the cluster is not as it should be.
check "healthy" {
  assert {
    condition     = data.gravity_cluster.site.healthy
    error_message = "Cluster ${data.gravity_cluster.site.name} is ${data.gravity_cluster.site.state}."
  }
}
