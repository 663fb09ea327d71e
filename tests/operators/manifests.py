"""Kubernetes manifests, compose.yaml and the Containerfile: valid, and about this program.

    manifests.py HELP SOURCES    HELP: what `outthink serve --help` prints; SOURCES: the gateway's source, for metrics and routes
"""

import json
import pathlib
import re
import sys

import kubernetes_validate
import yaml

# Help is wrapped as wide as the terminal is.
HELP = " ".join(pathlib.Path(sys.argv[1]).read_text().split())
SOURCES = pathlib.Path(sys.argv[2])
ROOT = pathlib.Path(__file__).resolve().parents[2]
# The oldest release that the projects around Kubernetes still support, and the newest of which there are schemas.
VERSIONS = ["1.31.0", kubernetes_validate.latest_version()]
wrong = []


def check(holds, what):
    if not holds:
        wrong.append(what)


folder = ROOT / "deploy" / "kubernetes"
objects = {}
for path in sorted(folder.glob("*.yaml")):
    for document in yaml.safe_load_all(path.read_text()):
        kind = document["kind"]
        objects[kind] = document
        if kind in ("Kustomization", "ServiceMonitor"):
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                wrong.append(f"{path.name} ({version}): {error.message} at {'.'.join(map(str, error.path))}")
            except kubernetes_validate.SchemaNotFoundError as error:
                print(f"skipped: {path.name} for {version}: {error}")

listed = set(objects["Kustomization"]["resources"])
there = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
check(listed == there, f"kustomization.yaml lists {listed ^ there} or not")

pod = objects["Deployment"]["spec"]["template"]
(container,) = pod["spec"]["containers"]
labels = pod["metadata"]["labels"]
ports = {port["name"] for port in container["ports"]}
selectors = {
    "Deployment": objects["Deployment"]["spec"]["selector"]["matchLabels"],
    "Service": objects["Service"]["spec"]["selector"],
    "PodDisruptionBudget": objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    "NetworkPolicy": objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
}
for kind, selector in selectors.items():
    check(selector.items() <= labels.items(), f"{kind} selects {selector}, but the pods are {labels}")
monitored = objects["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
check(monitored.items() <= objects["Service"]["metadata"]["labels"].items(), "ServiceMonitor selects no Service")
named = [port["targetPort"] for port in objects["Service"]["spec"]["ports"]]
named += [port["port"] for rule in objects["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]]
named += [endpoint["port"] for endpoint in objects["ServiceMonitor"]["spec"]["endpoints"]]
named += [container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
check(set(named) <= ports, f"ports {set(named) - ports} are none of the container's")
check(objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == objects["Deployment"]["metadata"]["name"],
      "the autoscaler scales something else")
check("replicas" not in objects["Deployment"]["spec"], "replicas are the autoscaler's")
check(pod["spec"]["enableServiceLinks"] is False, "the cluster would set variables of the name OUTTHINK_…")
check(pod["spec"]["terminationGracePeriodSeconds"] > 30, "what runs has 30 seconds to end")
volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
check({mount["name"] for mount in container["volumeMounts"]} == volumes, "volumes that are not mounted, or not there")

source = "\n".join(path.read_text() for path in SOURCES.rglob("*.rs"))
metrics = [metric["pods"]["metric"]["name"] for metric in objects["HorizontalPodAutoscaler"]["spec"]["metrics"]]
metrics += re.findall(r"\b(?:outthink|gen_ai)_[a-z_]+(?:total|seconds|running|waiting|usage)\b", (ROOT / "docs/operating.md").read_text())
for metric in metrics:
    check(f'"{metric}"' in source, f"/metrics has no {metric}")
paths = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
paths += [endpoint["path"] for endpoint in objects["ServiceMonitor"]["spec"]["endpoints"]]
for path in paths:
    check(f'"{path}", get(' in source, f"there is no route {path}")

# Every variable that is set is one that is read.
read = set(re.findall(r"\[env: (OUTTHINK_[A-Z_]+)\]", HELP)) | {"OUTTHINK_POLICY_KEY", "OUTTHINK_VERIFIER_KEY"}
check(len(read) > 15, "the help names no variables")
compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
set_there = list(objects["ConfigMap"]["data"]) + [one["name"] for one in container["env"]]
set_there += list(compose["services"]["outthink"]["environment"])
set_there += re.findall(r"(OUTTHINK_[A-Z_]+)=", (ROOT / "Containerfile").read_text())
for name in set_there:
    check(not name.startswith("OUTTHINK_") or name in read, f"nobody reads {name}")

print("\n".join(f"wrong: {what}" for what in wrong) or f"{len(objects)} manifests, compose.yaml and Containerfile are in order")
print(json.dumps({"versions": VERSIONS}))
sys.exit(1 if wrong else 0)
