"""The registry of a repository from Python, with the standard library alone: python registry.py 1.0.0 1.0.1

Stand in a worktree that has these two versions. The daemon must run: smc daemon start
"""
import http.client, json, os, pathlib, socket, sys

STORE = pathlib.Path(os.environ.get("SMC_HOME", "~/.smc")).expanduser()


class Daemon(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(json.loads((STORE / "run" / "daemon.json").read_text())["socket"])


def call(verb, **options):
    """What the verb answers; raises RuntimeError with the code of a failure."""
    body = json.dumps({"at": {"folder": os.getcwd()}, "input": options})
    daemon = Daemon("localhost")
    daemon.request("POST", f"/v1/verbs/{verb}", body, {"smc-protocol": "1", "content-type": "application/json"})
    lines = daemon.getresponse().read().decode().splitlines()
    answer = json.loads(lines[-1])  # The lines before tell progress.
    if "error" in answer:
        raise RuntimeError(f"{answer['error']['code']}: {answer['error']['message']}")
    return answer["result"]


before, now = sys.argv[1:]
metadata = os.path.abspath("metadata.json")
for name, result in {
    "get_current_champion": call("champion")["champion"],
    "get_model_by_version": call("show", revision=before),
    "get_all_versions": call("versions")["versions"],
    "compare_models": call("compare", revisions=[before, now]),
    "create_model_metadata": call("meta", action="create", file=metadata, revision=now)["document"],
    "get_registry_summary": call("registry", action="summary")["summary"],
    "rollback": call("rollback", version=before, reason="the other one misses more", answer="yes"),
}.items():
    print(json.dumps({"call": name, "result": result}))
