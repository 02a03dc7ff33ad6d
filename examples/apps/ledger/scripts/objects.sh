#!/bin/sh
# The application's objects, as plain YAML. Sourced by hook.sh.
# shellcheck disable=SC2154 # hook.sh sets namespace and folder

# web_image prints the image of the web application in this bundle.
web_image() {
	sed -n 's,^ *image: *\(gravity\.local/examples/ledger:[^ ]*\).*,\1,p' "$folder/resources/ledger.yaml"
}

apply_objects() {
	kubectl apply -n "$namespace" -f "$folder/resources"
}

# objects_state prints what return_to needs to come back to what runs now.
objects_state() {
	kubectl get deployment ledger -n "$namespace" -o 'jsonpath={.spec.template.spec.containers[0].image}'
}

# return_to STATE
return_to() {
	kubectl set image -n "$namespace" deployment/ledger "ledger=$1"
}

delete_objects() {
	kubectl delete -n "$namespace" --ignore-not-found --timeout=5m -f "$folder/resources"
}
