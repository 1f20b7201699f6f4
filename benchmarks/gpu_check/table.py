"""The results as tables for people, in Markdown."""
LAYERS = 40  # rows of the longest


def cell(value):
    return " ".join(str(value).split()).replace("|", "\\|")


def rows(header, lines):
    if not lines:
        return []
    head = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return ["", *head, *("| " + " | ".join(map(cell, line)) + " |" for line in lines)]


def result(data, name):
    return data["parts"].get(name, {}).get("result", {})


def states(data):
    return rows(("part", "seconds", "state"),
                [(name, part.get("seconds", ""), ": ".join(filter(None, (part["state"], part.get("reason")))))
                 for name, part in data["parts"].items()])


def machine(data):
    found = result(data, "machine")
    lines = [(name, value) for name, value in found.items() if name != "info"]
    lines += [tuple(line.split(": ", 1)) for line in found.get("info", []) if ": " in line and not line.startswith("at ")]
    return rows(("machine", ""), lines)


def speed(data):
    lines = []
    for name in ("speed_32", "speed_16", "autotuned", "speed_8", "speed_1"):
        found = result(data, name)
        for kind in ("inference", "training"):
            if kind not in found:
                continue
            part = found[kind]
            lines.append((f"{found['batch']}{', autotuned' if name == 'autotuned' else ''}",
                          "detection" if kind == "inference" else kind, f"{1 / part['seconds_per_image']:.1f}",
                          f"{part['seconds_per_image'] * found['batch'] * 1e3:.2f}",
                          f"{part['peak_tensor_bytes'] / 2**20:.0f}",
                          f"{part['candidates_per_image']:.0f}" if "candidates_per_image" in part else "",
                          f"not to be published: {found['unpublished']}" if "unpublished" in found else ""))
    return rows(("batch", "work", "images/s", "ms per batch", "peak tensors MiB", "candidates per image", ""), lines)


def layers(data):
    lines, found, simulated = [], result(data, "layers"), result(data, "simulation")
    for kind, work in (("inference", "detection"), ("training", "training")):
        calls = sorted(((seconds, layer, call) for layer, calls in found.get(kind, {}).items() for call, seconds in calls.items()),
                       reverse=True)
        total = sum(call[0] for call in calls)
        for seconds, layer, call in calls[:LAYERS]:
            beside = (table.get(layer, {}).get(call)
                      for table in (found.get("roofline", {}), simulated.get(work, {}).get("layers", {})))
            lines.append((work, layer, call, f"{1e3 * seconds:.3f}", f"{100 * seconds / total:.1f} %",
                          *(f"{1e3 * value:.3f}" if value else "" for value in beside)))
    table = rows(("work, batch 32", "layer", "call", "ms", "share", "at least on an H200", "predicted for it"), lines)
    for work in ("detection", "training"):
        if work in simulated:
            table += ["", f"Predicted for {simulated['gpu']}: {work} {1e3 * simulated[work]['seconds']:.2f} ms per batch of "
                      f"{simulated['batch']}, {simulated['batch'] / simulated[work]['seconds']:.0f} images/s"]
    return table


def tower_plans(data):
    lines = [(plan["pass"], plan["engine"], plan["kernels"], plan["failed"] or f"{1e3 * plan['seconds']:.3f}",
              f"{plan['tflop_per_second']:.0f}") for plan in result(data, "tower_plans").get("plans", [])]
    return rows(("a tower's convolution on P3, batch 32", "engine", "kernels", "ms", "TFLOP/s"), lines)


def kernels(data):
    lines = []
    for figures in result(data, "kernels").values():
        lines += [(kernel["kernel"], kernel["dtype"], f"{kernel['median_seconds'] * 1e3:.3f}", f"{100 * kernel['of_memory']:.0f} %")
                  for kernel in figures.get("results", [])]
    return rows(("kernel", "", "ms", "of the memory's bandwidth"), lines)


def others(data):
    lines = []
    trained = result(data, "training")
    if "AP" in trained:
        lines.append(("the demo's training", f"{trained['steps']} steps, {trained['seconds']:.0f} s, AP {trained['AP']:.3f}, "
                      f"AP50 {trained['AP50']:.3f}"))
    for name, figure in result(data, "loader").items():
        lines.append((f"loader: {name}", f"{max(figure['images_per_second']):.0f} images/s, {min(figure['cpu_ms']):.2f} CPU ms per image"))
    evaluation = result(data, "evaluation")
    for name in ("fovea", "pycocotools"):
        if name in evaluation:
            lines.append((f"evaluation of {evaluation['images']} images: {name}", f"{evaluation[name]['seconds']:.2f} s"))
    for name, figure in result(data, "pytorch").get("results", {}).items():
        lines.append((f"PyTorch: {name}", f"{figure['images_per_second']:.1f} images/s" if "images_per_second" in figure
                      else figure.get("error", "")))
    return rows(("other work", ""), lines)


def failures(data):
    lines = []
    for name, part in data["parts"].items():
        printed = part.get("last_lines", []) + part.get("notes", [])
        if printed:
            lines += ["", f"{name}, last lines:", "```", *(line.replace("```", "'''") for line in printed), "```"]
    return lines


def text(data):
    lines = [f"gpu_check on {data.get('device', '?')}, {data.get('written', '')}"]
    for section in (speed, states, layers, tower_plans, machine, kernels, others, failures):
        try:
            lines += section(data)
        except Exception as error:  # figures that are not what they should be hide no others
            lines += ["", f"(no table of {section.__name__}: {type(error).__name__}: {error}; gpu_check.json has what there is)"]
    return "\n".join(lines) + "\n"
