package clientgo
