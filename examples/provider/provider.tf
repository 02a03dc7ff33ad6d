terraform {
  required_providers {
    gravity = {
      source = "gravity-platform/gravity"
    }
  }
}

# How machines are reached; resources name the machines. Settings that are missing
# here come from the environment, such as TF_GRAVITY_SSH_PASSWORD.
provider "gravity" {
  ssh = {
    user         = "admin"
    private_key  = file(pathexpand("~/.ssh/id_ed25519"))
    bastion_host = "bastion.example.com"
  }
}
