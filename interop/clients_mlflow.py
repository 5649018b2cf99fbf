"""MLflow's own scoring client. See clients.py."""

import numpy as np
import pandas
from mlflow.pyfunc.scoring_server.client import ScoringServerClient


def run(base, binary, home):
    for model, version in (("churn", "1"), ("wine", "1"), ("diabetes", "1")):
        with base.Server(binary, home, "--default-model", model) as server:
            host, port = server.data.rsplit(":", 1)
            client = ScoringServerClient(host, port)
            client.wait_server_ready()
            base.ensure(client.get_version().count(".") == 2, "the version is no version")
            golden(base, client, model, version)
            refusal(base, client)


def golden(base, client, model, version):
    count = 0
    for inputs, outputs, rtol, atol in base.golden(model, version):
        table = {name: np.array(rows, dtype=object).reshape(len(rows), -1) for name, rows in inputs.items()}
        wide = len(table) == 1
        (frame,) = table.values() if wide else (None,)
        frame = pandas.DataFrame(frame if wide else {name: rows[:, 0] for name, rows in table.items()}).infer_objects()
        expected = np.array(outputs.get("output_label", outputs.get("label", next(iter(outputs.values()))))).ravel()
        if not wide:
            # By name: another order is the same table, and a column more is nobody's business.
            frame = frame[list(reversed(frame.columns))].assign(customer_id="c-1")
        for data in ([frame] if not wide else [frame.to_numpy(), frame.to_numpy().tolist()]):
            got = client.invoke(data).get_predictions("ndarray")
            base.same(f"mlflow, {model}", np.asarray(got).ravel(), expected, rtol, atol)
        count += 1
    print(f"mlflow: {model}: ping, version, {count} golden cases: ok")


def refusal(base, client):
    try:
        client.invoke(pandas.DataFrame({"no such column": [1.0]}))
    except Exception as error:
        base.ensure("error code 400" in str(error) and "error_code" in str(error), f"mlflow: {error}")
    else:
        base.ensure(False, "mlflow: a wrong table was not refused")
