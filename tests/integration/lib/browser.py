"""A browser without a window: Debian's Chromium, told what to do by chromedriver (WebDriver, plain HTTP).

    with Browser() as b:
        b.show(width=360, scheme="dark")
        b.open(url)
        b.shoot("page.png")
        b.run("return document.title")
"""
import base64
import http.client
import json
import os
import signal
import subprocess
import tempfile

from . import service, targets


class Browser:
    def __init__(self, waits=True, seconds=40):
        """waits: open() returns when all of the page is there, not at once."""
        targets.need("chromium", "chromedriver")
        self.port = service.free_port()
        self.waits, self.seconds = waits, seconds
        self.directory = tempfile.TemporaryDirectory(prefix="ppd-browser-")
        self.driver = self.session = None

    def __enter__(self):
        log = open(os.path.join(self.directory.name, "driver.log"), "wb")
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True,
                                       env=dict(os.environ, HOME=self.directory.name, TMPDIR=self.directory.name))
        log.close()
        try:
            service.wait_until(self._ready, 20, "chromedriver")
            arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                         "--disable-extensions", "--disable-background-networking", "--hide-scrollbars",
                         f"--user-data-dir={self.directory.name}/profile"]
            if os.geteuid() == 0:
                arguments.append("--no-sandbox")  # Chromium's own does not work for root
            wish = {"browserName": "chrome", "goog:chromeOptions": {"args": arguments},
                    "goog:loggingPrefs": {"browser": "ALL"}, "pageLoadStrategy": "normal" if self.waits else "none"}
            self.session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wish}})["sessionId"]
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        try:
            if self.session:
                self._ask("DELETE", f"/session/{self.session}")
        except (OSError, http.client.HTTPException, RuntimeError):
            pass
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.driver.pid, number)
                self.driver.wait(5)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        try:
            self.directory.cleanup()
        except OSError:
            pass  # a file of the browser's that came just now

    def _ask(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.seconds)
        try:
            c.request(method, path, json.dumps(body if body is not None else {}) if method == "POST" else None,
                      {"Content-Type": "application/json"})
            answer = json.loads(c.getresponse().read())["value"]
        finally:
            c.close()
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(f"{method} {path}: {answer['error']}: {answer['message'][:500]}")
        return answer

    def _ready(self):
        try:
            return self._ask("GET", "/status")["ready"]
        except (OSError, http.client.HTTPException, ValueError):
            return False

    def _do(self, what, **body):
        return self._ask("POST", f"/session/{self.session}/{what}", body)

    def _devtools(self, command, **parameters):
        return self._do("goog/cdp/execute", cmd=command, params=parameters)

    # ---- what tests do

    def show(self, width, height=900, scheme="light", scripts=True):
        """The size of the window, the colours that its owner prefers, and whether scripts run."""
        self._devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._devtools("Emulation.setScriptExecutionDisabled", value=not scripts)

    def open(self, url):
        self._do("url", url=url)

    def url(self):
        return self._ask("GET", f"/session/{self.session}/url")

    def source(self):
        return self._ask("GET", f"/session/{self.session}/source")

    def run(self, script, *arguments):
        return self._do("execute/sync", script=script, args=list(arguments))

    def run_later(self, script, *arguments):
        """The script calls its last argument with the result."""
        return self._do("execute/async", script=script, args=list(arguments))

    def press(self, *keys):
        """Keys to whatever has the focus; "\\ue004" is Tab, "\\ue007" Enter."""
        actions = [{"type": kind, "value": k} for k in keys for kind in ("keyDown", "keyUp")]
        self._do("actions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def shoot(self, path, whole=True):
        picture = self._devtools("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(picture))

    def console(self):
        """What was said there since the last call; not what the browser's own pages say."""
        return [m for m in self._do("se/log", type="browser") if not m["message"].startswith("chrome://")]
