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
    return rows(("batch", "work", "images/s", "ms a batch", "peak tensors MiB", "candidates an image", ""), lines)


def least(roofline, name):
    """Milliseconds that a roofline gives the part of that name: a pass, of a layer where the name has one."""
    layers = [layer for layer in roofline if layer in name] or list(roofline)
    passes = {one for layer in layers for one in roofline[layer] if one in name}
    return sum(roofline[layer][one] for layer in layers for one in passes)


def layers(data):
    lines, found = [], result(data, "layers")
    roofline = found.get("roofline_ms", {})
    for kind in ("inference", "training"):
        shares = sorted(found.get(kind, {}).get("shares", {}).items(), key=lambda entry: -entry[1])
        lines += [("detection" if kind == "inference" else kind, name, f"{share * found[kind]['seconds'] * 1e3:.3f}",
                   f"{100 * share:.1f} %", f"{least(roofline, name):.3f}" if least(roofline, name) > 0 else "")
                  for name, share in shares[:LAYERS]]
    return rows(("work, batch 32", "part", "ms", "share", "at the least on an H200, ms"), lines)


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
        lines.append((f"loader: {name}", f"{max(figure['images_per_second']):.0f} images/s, {min(figure['cpu_ms']):.2f} CPU ms an image"))
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
    for section in (speed, states, layers, machine, kernels, others, failures):
        try:
            lines += section(data)
        except Exception as error:  # figures that are not what they should be hide no others
            lines += ["", f"(no table of {section.__name__}: {type(error).__name__}: {error}; gpu_check.json has what there is)"]
    return "\n".join(lines) + "\n"
