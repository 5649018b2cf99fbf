#!/usr/bin/env python3
"""Judges the Dockerfile and the manifests without a Docker engine or a cluster.

    python k8s.py --tidegate BINARY [--prove] ROOT

Builds every overlay, checks each object against the schemas of the oldest and the newest Kubernetes named below
(unknown fields are errors), and holds names, ports, flags and metrics against each other, against the Dockerfile and
against the binary. Prints all mistakes and exits with 1 if there are any. With --prove it plants mistakes in copies of
ROOT, one at a time, and exits with 1 if one of them is not found.
"""

import argparse
import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from fnmatch import fnmatch
from pathlib import Path

import jsonschema
import kubernetes_validate
import promql_parser
import yaml
from dockerfile_parse import DockerfileParser

KUBERNETES = ("1.29", "1.37")
# What the Prometheus operator and Kubernetes add to every series that is scraped from a Pod.
SCRAPE_LABELS = {"namespace", "pod", "le"}

TEXT, STRINGS = {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}
DURATION = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}


def record(required, **properties):
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


def several(items):
    return {"type": "array", "minItems": 1, "items": items}


def custom(kind, version, spec):
    metadata = record(["name"], name=TEXT, namespace=TEXT, labels=STRINGS)
    return record(["apiVersion", "kind", "metadata", "spec"],
                  apiVersion={"const": version}, kind={"const": kind}, metadata=metadata, spec=spec)


# The fields in use of kinds that Kubernetes does not have itself; a new field has to be added here first.
CUSTOM = {
    "ServiceMonitor": custom("ServiceMonitor", "monitoring.coreos.com/v1", record(
        ["selector", "endpoints"],
        selector=record(["matchLabels"], matchLabels=STRINGS),
        endpoints=several(record(["port"], port=TEXT, path=TEXT, interval=DURATION, scrapeTimeout=DURATION)))),
    "PrometheusRule": custom("PrometheusRule", "monitoring.coreos.com/v1", record(["groups"], groups=several(record(
        ["name", "rules"], name=TEXT,
        rules=several(record(["alert", "expr", "labels", "annotations"], alert=TEXT, expr=TEXT,
                             labels=STRINGS, annotations=STRINGS, **{"for": DURATION})))))),
    "ServingRuntime": custom("ServingRuntime", "serving.kserve.io/v1alpha1", record(
        ["supportedModelFormats", "containers"],
        annotations=STRINGS, multiModel={"type": "boolean"}, containers={"type": "array"},
        protocolVersions=several({"enum": ["v1", "v2", "grpc-v1", "grpc-v2"]}),
        supportedModelFormats=several(record(["name"], name=TEXT, version=TEXT, autoSelect={"type": "boolean"})))),
}
ADAPTER = record(["rules"], rules=several(record(
    ["seriesQuery", "resources", "name", "metricsQuery"], seriesQuery=TEXT, metricsQuery=TEXT,
    name=record(["as"], matches=TEXT, **{"as": TEXT}),
    resources=record(["overrides"], overrides={
        "type": "object", "additionalProperties": record(["resource"], resource=TEXT, group=TEXT)}))))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tidegate", required=True, type=lambda path: Path(path).resolve())
    parser.add_argument("--prove", action="store_true")
    parser.add_argument("root", type=lambda path: Path(path).resolve())
    arguments = parser.parse_args()
    series = metrics_of(arguments.tidegate, arguments.root)
    if arguments.prove:
        sys.exit(prove(arguments.root, arguments.tidegate, series))
    mistakes, facts = judge(arguments.root, arguments.tidegate, series)
    for line in facts:
        print(line)
    for line in mistakes:
        print(f"MISTAKE: {line}")
    sys.exit(1 if mistakes else 0)


def judge(root, tidegate, series):
    """All mistakes, and what was looked at."""
    mistakes, facts = [], []
    try:
        image = Dockerfile(root)
        mistakes += image.mistakes(tidegate)
        facts.append(f"Dockerfile: {len(image.copies)} copies, ports {image.ports}, user {image.user}: looked at")
        adapter = load(root / "k8s/examples/prometheus-adapter-rules.yaml")[0]
        mistakes += against(ADAPTER, adapter, "prometheus-adapter-rules.yaml")
        mistakes += promql(adapter_queries(adapter), series)
        for name, objects, how in everything(root):
            checks = Objects(name, objects, image, adapter)
            mistakes += checks.mistakes(tidegate) + promql(checks.expressions(), series)
            facts.append(f"{name}: {len(objects)} objects ({how}): looked at")
        mistakes += runtime(load(root / "k8s/examples/kserve-servingruntime.yaml")[0], image, tidegate)
    except Unbuildable as error:
        mistakes.append(str(error))
    return mistakes, facts


# ---- Overlays ---------------------------------------------------------------------------------------------------

class Unbuildable(Exception):
    """An overlay, or a file it names, that cannot be read."""


def load(path):
    try:
        return [part for part in yaml.safe_load_all(path.read_text()) if part]
    except (OSError, yaml.YAMLError) as error:
        raise Unbuildable(f"{path}: {error}") from error


def build(folder):
    """The overlay's objects. Where kustomize is installed, it has to give the same ones."""
    objects = kustomization(folder, [])
    for command in (["kustomize", "build"], ["kubectl", "kustomize"]):
        if shutil.which(command[0]):
            # Building reads files only; no cluster is asked, and none is to be found.
            environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": os.devnull}
            done = subprocess.run([*command, str(folder)], capture_output=True, text=True, env=environment)
            if done.returncode != 0:
                raise Unbuildable(f"{folder}: {' '.join(command)}: {done.stderr.strip()}")
            theirs = [part for part in yaml.safe_load_all(done.stdout) if part]
            if ordered(theirs) != ordered(objects):
                raise Unbuildable(f"{folder}: {' '.join(command)} builds other objects than this script")
            return objects, f"as {' '.join(command)} builds them"
    return objects, "built by this script alone; kustomize is not installed"


# Components that no overlay has switched on, and upon what they are built.
ALSO = [("base", "models-volume"), ("base", "gpu"), ("overlays/production", "gpu")]


def everything(root):
    """Name, objects and way of building of every overlay, and of what can be switched on in one."""
    for overlay in sorted((root / "k8s/overlays").iterdir()):
        yield overlay.name, *build(overlay)
    for folder, component in ALSO:
        with tempfile.TemporaryDirectory() as twin:
            shutil.copytree(root / "k8s", twin, dirs_exist_ok=True)
            path = Path(twin) / folder / "kustomization.yaml"
            own = load(path)[0]
            own["components"] = own.get("components", []) + [os.path.relpath(Path(twin) / "components" / component, path.parent)]
            path.write_text(yaml.safe_dump(own))
            yield f"{folder} with {component}", *build(path.parent)


def ordered(objects):
    return sorted(json.dumps(item, sort_keys=True) for item in objects)


def kustomization(folder, objects):
    """Reads the part of kustomize that the overlays use; anything else is an error, not a guess."""
    own = load(folder / "kustomization.yaml")[0]
    known = {"apiVersion", "kind", "namespace", "resources", "components", "images", "replicas", "labels", "patches"}
    if set(own) - known:
        raise Unbuildable(f"{folder}: kustomization fields that this script cannot read: {set(own) - known}")
    for name in own.get("resources", []):
        path = folder / name
        objects += kustomization(path, []) if path.is_dir() else load(path)
    for name in own.get("components", []):
        objects = kustomization(folder / name, objects)
    for change in own.get("patches", []):
        hit = [item for item in objects if chosen(item, change["target"])]
        if not hit:
            raise Unbuildable(f"{folder}: no object for the patch of {change['target']}")
        for item in hit:
            for step in yaml.safe_load(change["patch"]):
                patch(item, step, folder)
    for item in objects:
        finish(item, own)
    return objects


def chosen(item, target):
    return item["kind"] == target["kind"] and item["metadata"]["name"] == target["name"]


def patch(item, step, folder):
    """One step of RFC 6902."""
    *way, last = [part.replace("~1", "/") for part in step["path"].lstrip("/").split("/")]
    place = item
    try:
        for key in way:
            place = place[int(key) if isinstance(place, list) else key]
        if step["op"] == "add":
            return add(place, last, copy.deepcopy(step["value"]))
        last = int(last) if isinstance(place, list) else last
        there = place[last]
    except (KeyError, IndexError, ValueError) as error:
        raise Unbuildable(f"{folder}: the patch of {step['path']} finds nothing") from error
    match step["op"]:
        case "remove":
            del place[last]
        case "replace":
            place[last] = copy.deepcopy(step["value"])
        case "test" if there == step["value"]:
            pass
        case op:
            raise Unbuildable(f"{folder}: the patch step {op} {step['path']} does not hold, or cannot be read")


def add(place, last, value):
    if isinstance(place, list):
        place.insert(len(place) if last == "-" else int(last), value)
    else:
        place[last] = value


def finish(item, own):
    """Namespace, replicas, images and labels."""
    metadata, spec = item["metadata"], item.get("spec", {})
    if "namespace" in own and item["kind"] != "Namespace":
        metadata["namespace"] = own["namespace"]
    for entry in own.get("replicas", []):
        if item["kind"] == "Deployment" and metadata["name"] == entry["name"]:
            spec["replicas"] = entry["count"]
    pod = spec.get("template", {})
    for container in all_containers(pod.get("spec", {})):
        for entry in own.get("images", []):
            name, _, tag = container["image"].partition(":")
            if name == entry["name"]:
                container["image"] = f"{entry.get('newName', name)}:{entry.get('newTag', tag)}"
    for entry in own.get("labels", []):
        metadata.setdefault("labels", {}).update(entry["pairs"])
        if entry.get("includeTemplates") and pod:
            pod["metadata"]["labels"].update(entry["pairs"])


def all_containers(pod):
    return pod.get("initContainers", []) + pod.get("containers", [])


# ---- Objects ----------------------------------------------------------------------------------------------------

def against(schema, item, name):
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{name}: {'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(item)]


def kubernetes(item, name):
    """Against Kubernetes' own schemas, strictly."""
    words = []
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(item, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            words.append(f"{name}: Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            words.append(f"{name}: {error.message}")
    return words


class Objects:
    """One built overlay."""

    def __init__(self, name, objects, image, adapter):
        self.name, self.objects, self.image, self.adapter = name, objects, image, adapter
        self.deployment = self.all("Deployment")[0]
        self.pod = self.deployment["spec"]["template"]
        self.main = self.pod["spec"]["containers"][0]
        self.ports = {port["name"]: port["containerPort"] for port in self.main["ports"]}

    def all(self, kind):
        return [item for item in self.objects if item["kind"] == kind]

    def expressions(self):
        groups = [group for item in self.all("PrometheusRule") for group in item["spec"]["groups"]]
        return [(f"{self.name}: alert {rule['alert']}", rule["expr"]) for group in groups for rule in group["rules"]]

    def mistakes(self, tidegate):
        words = []
        for item in self.objects:
            name = f"{item['kind']}/{item['metadata']['name']}"
            words += against(CUSTOM[item["kind"]], item, name) if item["kind"] in CUSTOM else kubernetes(item, name)
        identities = [(item["kind"], item["metadata"]["name"]) for item in self.objects]
        words += [f"{' '.join(two)} is there twice" for two in set(identities) if identities.count(two) > 1]
        words += self.data_port() + self.services() + self.selectors() + self.volumes() + self.autoscaler() + self.gpu()
        words += restricted(self.pod["spec"]) + self.stop()
        words += arguments(self.main, tidegate, "Deployment")
        return [f"{self.name}: {line}" for line in words]

    def data_port(self):
        words = []
        variables = {entry["name"]: entry["value"] for entry in self.main["env"]}
        for variable, port in (("TIDEGATE_LISTEN", "http"), ("TIDEGATE_ADMIN_LISTEN", "admin")):
            wanted = f"0.0.0.0:{self.ports.get(port)}"
            for place, given in (("Deployment", variables), ("Dockerfile", self.image.environment)):
                if given.get(variable) != wanted:
                    words.append(f"{place}: {variable} is {given.get(variable)}, but the port {port} means {wanted}")
        if sorted(self.ports.values()) != self.image.ports:
            words.append(f"the container's ports {self.ports} are not those that the image exposes: {self.image.ports}")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = self.main[probe]["httpGet"]
            if asked["port"] != "admin" or asked["path"] not in ("/livez", "/readyz"):
                words.append(f"{probe} asks {asked}, which the admin port does not answer")
        for container in all_containers(self.pod["spec"]):
            if not re.search(rf":{re.escape(self.image.version)}$", container["image"]):
                words.append(f"image {container['image']} is not of version {self.image.version}")
        return words

    def services(self):
        words, named = [], {}
        for service in self.all("Service"):
            for port in service["spec"]["ports"]:
                named[port["name"]] = service
                if self.ports.get(port["targetPort"]) != port["port"]:
                    words.append(f"Service port {port} leads to no port of the container, or to another number")
        for monitor in self.all("ServiceMonitor"):
            labels = monitor["spec"]["selector"]["matchLabels"].items()
            for endpoint in monitor["spec"]["endpoints"]:
                service = named.get(endpoint["port"])
                if service is None or not labels <= service["metadata"]["labels"].items():
                    words.append(f"ServiceMonitor: no Service with its labels has a port '{endpoint['port']}'")
        for policy in self.all("NetworkPolicy"):
            for rule in policy["spec"].get("ingress", []):
                for port in rule["ports"]:
                    if port["port"] not in self.ports:
                        words.append(f"NetworkPolicy: the container has no port '{port['port']}'")
        return words

    def selectors(self):
        spec = self.deployment["spec"]
        wanted = [("Deployment", spec["selector"]["matchLabels"])]
        wanted += [("spread", rule["labelSelector"]["matchLabels"]) for rule in
                   self.pod["spec"]["topologySpreadConstraints"]]
        wanted += [("Service", item["spec"]["selector"]) for item in self.all("Service")]
        wanted += [(item["kind"], item["spec"]["selector"]["matchLabels"]) for item in self.all("PodDisruptionBudget")]
        wanted += [("NetworkPolicy", item["spec"]["podSelector"]["matchLabels"]) for item in self.all("NetworkPolicy")]
        labels = self.pod["metadata"]["labels"].items()
        words = [f"{kind} selects {pairs}, which are no labels of the Pods" for kind, pairs in wanted
                 if not pairs.items() <= labels]
        if self.pod["spec"]["serviceAccountName"] not in [i["metadata"]["name"] for i in self.all("ServiceAccount")]:
            words.append("the Pods' ServiceAccount is not there")
        return words

    def volumes(self):
        there = {volume["name"]: volume for volume in self.pod["spec"]["volumes"]}
        mounted = {m["name"] for c in all_containers(self.pod["spec"]) for m in c["volumeMounts"]}
        words = [f"volumes {set(there) ^ mounted} are not both declared and mounted"] if set(there) != mounted else []
        claims = {item["metadata"]["name"] for item in self.all("PersistentVolumeClaim")}
        for volume in there.values():
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim is not None and claim not in claims:
                words.append(f"no claim '{claim}'")
        return words

    def autoscaler(self):
        words = []
        made = [rule["name"]["as"] for rule in self.adapter["rules"]]
        for item in self.all("HorizontalPodAutoscaler"):
            target = item["spec"]["scaleTargetRef"]
            if target["name"] != self.deployment["metadata"]["name"] or "replicas" in self.deployment["spec"]:
                words.append("the autoscaler's Deployment is not there, or says a number of replicas itself")
            for metric in item["spec"]["metrics"]:
                name = metric.get("pods", {}).get("metric", {}).get("name")
                if name is not None and name not in made:
                    words.append(f"no rule of prometheus-adapter makes the autoscaler's metric {name}")
        return words

    def gpu(self):
        if "nvidia.com/gpu" not in self.main["resources"]["limits"]:
            return ["no GPU is asked for"] if self.name.endswith("with gpu") else []
        words = []
        if not {"compute", "utility"} <= set(self.image.environment.get("NVIDIA_DRIVER_CAPABILITIES", "").split(",")):
            words.append("the image does not ask for the driver's capabilities compute and utility")
        if "NVIDIA_VISIBLE_DEVICES" in self.image.environment:
            words.append("the image takes all GPUs of a node, asked for or not")
        if "nvidia.com/gpu" not in [rule["key"] for rule in self.pod["spec"].get("tolerations", [])]:
            words.append("the Pods do not tolerate the taint of nodes with GPUs")
        return words

    def stop(self):
        given = dict(re.findall(r"^--(drain-delay|grace)=(\d+)s$", "\n".join(self.main["args"]), re.MULTILINE))
        needed = sum(map(int, given.values()))
        allowed = self.pod["spec"]["terminationGracePeriodSeconds"]
        if len(given) == 2 and allowed >= needed + 5:
            return []
        return [f"the Pod gets {allowed} s to stop: it wants drain delay, grace ({given}) and 5 s more"]


def restricted(pod):
    """What Kubernetes' Pod security profile `restricted` asks for, and two things more."""
    shared = pod["securityContext"]
    words = [] if shared.get("runAsNonRoot") is True and shared.get("runAsUser") else ["the Pods may run as root"]
    if shared.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        words.append("no seccomp profile")
    if pod.get("automountServiceAccountToken") is not False or pod.get("enableServiceLinks") is not False:
        words.append("the Pods get a token, or variables for every Service")
    for container in all_containers(pod):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities", {}).get("drop") != ["ALL"]:
            words.append(f"container {container['name']} keeps privileges")
        if own.get("readOnlyRootFilesystem") is not True:
            words.append(f"container {container['name']} can write to its image")
        if set(container.get("resources", {})) != {"requests", "limits"}:
            words.append(f"container {container['name']} has no requests or limits")
    return words


def runtime(item, image, tidegate):
    """The example for KServe; its containers are held against Kubernetes' schema of a Pod."""
    name = "kserve-servingruntime.yaml"
    containers = item["spec"]["containers"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": containers}}
    words = against(CUSTOM["ServingRuntime"], item, name) + kubernetes(pod, name)
    main = containers[0]
    asked = [main["ports"][0]["containerPort"]]
    asked += [main[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")]
    asked.append(int(item["spec"]["annotations"]["prometheus.kserve.io/port"]))
    if set(asked) != set(image.ports) or asked[0] != image.ports[0]:
        words.append(f"{name}: ports {asked} are not the image's {image.ports}")
    if not main["image"].endswith(f":{image.version}"):
        words.append(f"{name}: image {main['image']} is not of version {image.version}")
    return words + arguments(main, tidegate, name)


# ---- The binary -------------------------------------------------------------------------------------------------

def arguments(container, tidegate, place):
    """Lets the binary itself read flags and variables. A wrong --settle keeps it from starting."""
    variables = {entry["name"]: entry["value"] for entry in container.get("env", [])}
    # The server passes over variables that it does not know, so its help is asked for them.
    shown = subprocess.run([tidegate, container["args"][0], "--help"], capture_output=True, text=True).stdout
    shown = " ".join(shown.split())
    unknown = [name for name in variables if name.startswith("TIDEGATE_") and f"[env: {name}]" not in shown]
    if unknown:
        return [f"{place}: tidegate knows no variables {unknown}"]
    command = [tidegate, *container["args"], "--settle=wrong"]
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    mistakes = [line for line in done.stderr.splitlines()[1:] if not line.startswith("--settle:")]
    if done.returncode == 64 and "--settle:" in done.stderr and not mistakes:
        return []
    return [f"{place}: tidegate does not take {container['args']}: {done.stderr.strip()}"]


def metrics_of(tidegate, root):
    """The series that the binary shows: a name's labels, each with the values seen."""
    with tempfile.TemporaryDirectory() as folder:
        # A model that fails, so that its state is among the values.
        broken = Path(folder) / "broken.onnx"
        broken.write_text("not a model")
        command = [tidegate, "serve", root / "models", broken, "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"]
        log = Path(folder) / "log"
        with log.open("w") as errors:
            server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder)
        try:
            line = next((line for line in server.stdout if line.startswith("listening on ")), None)
            if line is None:
                sys.exit(f"FAILED: the binary did not start: {log.read_text()}")
            data, admin = re.findall(r"http://[0-9.:]+", line)
            refused(f"{data}/v2/models/wine/infer")
            # The count is there once the answer is; it may follow it by a moment.
            time.sleep(0.1)
            with urllib.request.urlopen(f"{admin}/metrics", timeout=10) as answer:
                return series_of(answer.read().decode())
        finally:
            server.terminate()
            server.wait(60)


def refused(url):
    """One request, so that requests are counted."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, data=b"{}"), timeout=10)
    except urllib.error.HTTPError:
        pass


def series_of(text):
    series = {}
    for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, re.MULTILINE):
        seen = series.setdefault(name, {})
        for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels):
            seen.setdefault(label, set()).add(value)
    return series


def adapter_queries(adapter):
    """The adapter's queries with its templates filled in as it does."""
    for rule in adapter["rules"]:
        name = re.match(r"\w+", rule["seriesQuery"])[0]
        filled = {"Series": name, "LabelMatchers": 'namespace="x",pod=~"a|b"', "GroupBy": "pod"}
        yield "adapter: seriesQuery", rule["seriesQuery"]
        yield "adapter: metricsQuery", re.sub(r"<<\.(\w+)>>", lambda at: filled[at[1]], rule["metricsQuery"])
        if not re.fullmatch(rule["name"].get("matches", ".*"), name):
            yield "adapter: name.matches", f"does_not_match({name})"


def promql(expressions, series):
    """Syntax, and that names, labels and compared values are those of the binary."""
    words = []
    for place, text in expressions:
        try:
            tree = promql_parser.parse(text)
        except ValueError as error:
            words.append(f"{place}: {error}: {text}")
            continue
        words += [f"{place}: {line}" for line in query(tree, series)]
    return words


def query(node, series):
    """One node of a query and all below it."""
    words = [line for child in below(node) for line in query(child, series)]
    if isinstance(node, promql_parser.VectorSelector):
        labels = series.get(node.name)
        if labels is None:
            return [f"the binary shows no metric {node.name}"]
        for matcher in node.matchers.matchers:
            if matcher.name not in SCRAPE_LABELS:
                never = set(matcher.value.split("|")) - labels.get(matcher.name, set())
                words += [f"{node.name}: {matcher.name} is never {value}" for value in sorted(never)]
    if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
        known = SCRAPE_LABELS.union(*(series.get(name, {}) for name in metrics_in(node)))
        words += [f"no metric in it has a label {label}" for label in node.modifier.labels if label not in known]
    return words


def below(node):
    parts = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "param", "vector_selector")]
    return [part for part in [*parts, *getattr(node, "args", [])] if part is not None]


def metrics_in(node):
    if isinstance(node, promql_parser.VectorSelector):
        return {node.name}
    return set().union(*(metrics_in(child) for child in below(node)))


# ---- The image --------------------------------------------------------------------------------------------------

class Dockerfile:
    """The last stage's settings, and every copy from the checkout."""

    def __init__(self, root):
        self.root = root
        parser = DockerfileParser(path=str(root / "Dockerfile"), fileobj=None)
        steps = parser.structure
        last = max(at for at, step in enumerate(steps) if step["instruction"] == "FROM")
        final = {step["instruction"]: step["value"] for step in steps[last:]}
        self.ports = sorted(int(port) for port in final["EXPOSE"].split())
        self.user, self.start = final["USER"], json.loads(final["ENTRYPOINT"]) + json.loads(final["CMD"])
        self.health = json.loads(final["HEALTHCHECK"].partition(" CMD ")[2])
        self.environment = dict(entry.split("=", 1) for entry in final["ENV"].split())
        self.arguments = dict(step["value"].split("=", 1) for step in steps if step["instruction"] == "ARG")
        self.copies = [source for step in steps if step["instruction"] == "COPY" and "--from=" not in step["value"]
                       for source in step["value"].split()[:-1]]
        self.ignored = [line for line in (root / ".dockerignore").read_text().splitlines()
                        if line and not line.startswith("#")]
        self.manifest = tomllib.loads((root / "Cargo.toml").read_text())
        self.version = self.manifest["package"]["version"]

    def mistakes(self, tidegate):
        words = [f"COPY {path}: not there" for path in self.copies if not (self.root / path).exists()]
        words += [f"COPY {path}: .dockerignore leaves it out" for path in self.copies if not self.sent(path)]
        needed = {"src", "Cargo.toml", "Cargo.lock"} | set(self.manifest.get("workspace", {}).get("members", []))
        needed |= {"benches"} if self.manifest.get("bench") else set()
        words += [f"Cargo needs {path}, which is not copied" for path in sorted(needed - set(self.copies))]
        if "dist" not in self.manifest["profile"]:
            words.append("Cargo.toml has no profile dist")
        if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", self.user):
            words.append(f"USER {self.user} is not a number above 0")
        rust = self.manifest["package"]["rust-version"]
        if not self.arguments["RUST_IMAGE"].startswith(f"rust:{rust}-"):
            words.append(f"RUST_IMAGE {self.arguments['RUST_IMAGE']} is not the rust-version {rust}")
        if self.arguments["VERSION"] != self.version:
            words.append(f"VERSION {self.arguments['VERSION']} is not {self.version}")
        if f":{self.ports[1]}/" not in self.health[-1]:
            words.append(f"HEALTHCHECK asks {self.health[-1]}, not the admin port")
        container = {"args": self.start[1:], "env": [{"name": k, "value": v} for k, v in self.environment.items()]}
        return [f"Dockerfile: {line}" for line in words + arguments(container, tidegate, "CMD")]

    def sent(self, path):
        """Whether .dockerignore lets a path through: the last line that fits decides."""
        sent = True
        for line in self.ignored:
            pattern = line.removeprefix("!").removeprefix("**/")
            if fnmatch(path, pattern) or path.startswith(f"{pattern}/"):
                sent = line.startswith("!")
        return sent


# ---- Proof ------------------------------------------------------------------------------------------------------

BASE, PRODUCTION, COMPONENTS = "k8s/base/", "k8s/overlays/production/", "k8s/components/"
RULES = COMPONENTS + "monitoring/prometheusrule.yaml"
# File, text, what replaces it, and words of the mistake that has to be found.
PLANTED = [
    (BASE + "deployment.yaml", "minReadySeconds", "minReadySecond", "minReadySecond"),
    (BASE + "deployment.yaml", "--drain-delay=10s", "--drain-dely=10s", "does not take"),
    (BASE + "deployment.yaml", "--grace=30s", "--grace=30 parsecs", "does not take"),
    (BASE + "deployment.yaml", "--grace=30s", "--grace=60s", "to stop"),
    (BASE + "deployment.yaml", "containerPort: 9090", "containerPort: 9091", "TIDEGATE_ADMIN_LISTEN"),
    (BASE + "deployment.yaml", "path: /readyz, port: admin", "path: /ready, port: admin", "readinessProbe"),
    (BASE + "deployment.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "root"),
    (BASE + "deployment.yaml", "image: tidegate:0.1.0", "image: tidegate:latest", "not of version"),
    (BASE + "deployment.yaml", "mountPath: /target", "mountPaht: /target", "mountPath"),
    (BASE + "deployment.yaml", "TIDEGATE_ADMIN_LISTEN, value", "TIDEGATE_ADMIN_LISTENS, value", "no variables"),
    (BASE + "services.yaml", "targetPort: admin", "targetPort: metrics", "leads to no port"),
    (PRODUCTION + "pdb.yaml", "name: tidegate\n  # A", "name: tideagte\n  # A", "no labels of the Pods"),
    (PRODUCTION + "kustomization.yaml", "- pdb.yaml", "- pbd.yaml", "pbd.yaml"),
    (PRODUCTION + "kustomization.yaml", "initContainers/0", "initContainers/1", "finds nothing"),
    (COMPONENTS + "autoscaling/hpa.yaml", "tidegate_queue_seconds_per", "tidegate_wait_seconds_per", "no rule of"),
    (COMPONENTS + "autoscaling/hpa.yaml", "autoscaling/v2", "autoscaling/v2beta2", "find schema"),
    (COMPONENTS + "models-volume/kustomization.yaml", "claimName: tidegate-models", "claimName: models", "no claim"),
    (COMPONENTS + "gpu/kustomization.yaml", "limits/nvidia.com~1gpu", "limits/nvidia.com~1gpus", "no GPU"),
    (COMPONENTS + "gpu/kustomization.yaml", "key: nvidia.com/gpu,", "key: nvidia.com/gpus,", "do not tolerate"),
    (PRODUCTION + "kustomization.yaml", "resources/limits/cpu\n        value: \"2\"",
     "resources/limits\n        value: { cpu: \"2\", memory: 1Gi }", "production with gpu: no GPU"),
    ("Dockerfile", "CAPABILITIES=compute,utility", "CAPABILITIES=utility", "compute and utility"),
    (COMPONENTS + "network-policy/networkpolicy.yaml", "port: http", "port: https", "has no port"),
    (COMPONENTS + "monitoring/servicemonitor.yaml", "component: admin", "component: data", "ServiceMonitor"),
    (COMPONENTS + "monitoring/servicemonitor.yaml", "scrapeTimeout", "scrapeTimeuot", "scrapeTimeuot"),
    (RULES, "tidegate_model_ready", "tidegate_model_is_ready", "no metric"),
    (RULES, "(tidegate_queue_seconds_bucket", "(tidegate_queue_rows_bucket", "no metric"),
    (RULES, 'state="failed"', 'state="broken"', "never broken"),
    (RULES, "QUEUE_FULL", "QUEUE_FUL", "never QUEUE_FUL"),
    (RULES, "absent(", "absent((", "absent"),
    (RULES, "max by (namespace, pod, model)", "max by (namespace, pod, modle)", "a label modle"),
    ("k8s/examples/prometheus-adapter-rules.yaml", "sum(rate(<<", "sum(rate(x<<", "no metric"),
    ("k8s/examples/kserve-servingruntime.yaml", "containerPort: 8080", "containerPort: 8081", "not the image's"),
    ("k8s/examples/kserve-servingruntime.yaml", "--model-control=none", "--model-control=never", "does not take"),
    ("Dockerfile", "COPY benches benches", "COPY bench benches", "not there"),
    ("Dockerfile", "COPY src src", "COPY docs src", "leaves it out"),
    ("Dockerfile", "USER 65532:65532\n# SIGTERM", "USER root\n# SIGTERM", "USER root"),
    ("Dockerfile", "EXPOSE 8080 9090", "EXPOSE 8080 9091", "exposes"),
    (".dockerignore", "!loadtest/bare\n", "", "leaves it out"),
]


def prove(root, tidegate, series):
    missed = 0
    for file, old, new, words in PLANTED:
        with tempfile.TemporaryDirectory() as folder:
            twin = copied(root, Path(folder))
            text = (twin / file).read_text()
            if old not in text:
                print(f"MISSED: {file} has no '{old}' to change")
                missed += 1
                continue
            (twin / file).write_text(text.replace(old, new))
            mistakes, _ = judge(twin, tidegate, series)
            if not any(re.search(words, line) for line in mistakes):
                print(f"MISSED: {file}: '{old}' -> '{new}'; found: {mistakes}")
                missed += 1
    print(f"{len(PLANTED) - missed} of {len(PLANTED)} planted mistakes found")
    return 1 if missed else 0


def copied(root, folder):
    """What is judged, without sources and models: directories of theirs stand in for them."""
    shutil.copytree(root / "k8s", folder / "k8s")
    for name in ("Dockerfile", ".dockerignore", "Cargo.toml", "Cargo.lock", "LICENSE-APACHE", "LICENSE-MIT"):
        shutil.copy(root / name, folder / name)
    for name in ("src", "benches", "loadtest/bare", "models", "docs"):
        (folder / name).mkdir(parents=True)
    return folder


if __name__ == "__main__":
    main()
