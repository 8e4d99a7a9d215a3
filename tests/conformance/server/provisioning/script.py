"""Run a mongosh script with Node.js, and a stand-in for mongosh that sends its commands to the real server."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from pymongo import MongoClient
from pymongo.errors import OperationFailure

NODE = shutil.which("node")
#: A stand-in for mongosh: `db` asks this process, line by line, to run each command on the real server.
SHELL = """
const fs = require("fs");
function ask(request) {
  fs.writeSync(1, JSON.stringify(request) + "\\n");
  let line = "";
  const one = Buffer.alloc(65536);
  while (!line.endsWith("\\n")) {
    const read = fs.readSync(0, one);
    if (!read) { process.exit(1); }
    line += one.toString("utf8", 0, read);
  }
  return JSON.parse(line);
}
const EJSON = {parse: JSON.parse};
const db = {getSiblingDB: (name) => ({runCommand: (command) => ask([name, command])})};
"""


def run_script(script: str, client: MongoClient[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Run a mongosh script with Node.js against the server; return the commands that it ran."""
    path = folder / "provision.js"
    path.write_text(SHELL + script, encoding="utf-8")
    commands = []
    with subprocess.Popen([str(NODE), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        for line in shell.stdout:
            name, command = json_util.loads(line)
            commands.append(command)
            try:
                answer = client[name].command(command)
            except OperationFailure as error:
                answer = {"ok": 0, "errmsg": str(error)}
            shell.stdin.write(json_util.dumps(answer, json_options=json_util.RELAXED_JSON_OPTIONS) + "\n")
            shell.stdin.flush()
    assert shell.returncode == 0
    return commands


needs_node = pytest.mark.skipif(NODE is None, reason="node is not there to run the script")
