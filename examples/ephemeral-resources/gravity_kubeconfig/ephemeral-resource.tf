ephemeral "gravity_kubeconfig" "deployer" {
  masters = [{ address = "10.0.0.11" }]
  user    = "deployer"
  groups  = ["edit"]
  ttl     = "30m"
}

# provider "kubernetes" {
#   host                   = ephemeral.gravity_kubeconfig.deployer.host
#   cluster_ca_certificate = ephemeral.gravity_kubeconfig.deployer.cluster_ca_certificate
#   client_certificate     = ephemeral.gravity_kubeconfig.deployer.client_certificate
#   client_key             = ephemeral.gravity_kubeconfig.deployer.client_key
# }
