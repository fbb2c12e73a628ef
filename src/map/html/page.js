"use strict";
(() => {
  const graph = JSON.parse(document.getElementById("graph").textContent);
  const $ = (id) => document.getElementById(id);
  const KINDS = ["namespace", "network", "interface", "nodes"];

  // Every item: its column, its place in it, what it is called, and what it is connected to.
  const columns = [
    graph.namespaces.map((own) => ({ label: own.name })),
    graph.networks.map((own) => ({ label: own.name, note: own.isGlobal ? "global" : "", bad: own.refused })),
    graph.interfaces.map((own) => ({ label: own })),
    graph.groups.map((own) => ({ label: own.label, more: own.nodes.join(" ") })),
  ];
  columns.forEach((items, column) => items.forEach((item, index) => {
    Object.assign(item, { column, index, id: "snig"[column] + index, text: (item.label + " " + (item.more || "")).toLowerCase() });
  }));
  const at = (column, index) => columns[column][index];

  // The edges between neighbouring columns, each once, with the networks that it belongs to.
  const edges = [];
  const known = new Map();
  const join = (from, to, kind, network, pods) => {
    const key = from.id + " " + to.id;
    let edge = known.get(key);
    if (!edge) {
      edge = { from, to, kind, pods, networks: new Set() };
      known.set(key, edge);
      edges.push(edge);
    }
    edge.networks.add(network);
  };
  // What each network belongs to: the namespaces that use it or may, its interfaces and its nodes.
  const around = graph.networks.map(() => [new Set(), null, new Set(), new Set()]);
  graph.namespaces.forEach((own, space) => own.reaches.forEach((reach) => {
    const kind = reach.by === "nothing" ? "bad" : reach.pods ? "used" : "may";
    join(at(0, space), at(1, reach.network), kind, reach.network, reach.pods);
    around[reach.network][0].add(space);
  }));
  graph.networks.forEach((own, network) => {
    own.interfaces.forEach((index) => {
      join(at(1, network), at(2, index), "", network, 0);
      around[network][2].add(index);
    });
    own.groups.forEach((group) => {
      around[network][3].add(group);
      if (!own.interfaces.length) join(at(1, network), at(3, group), "", network, 0);
      own.interfaces.forEach((index) => join(at(2, index), at(3, group), "", network, 0));
    });
    if (own.isGlobal) graph.namespaces.forEach((_, space) => around[network][0].add(space));
  });
  const pods = (network) => graph.namespaces.reduce((sum, own) =>
    sum + own.reaches.reduce((part, reach) => part + (reach.network === network ? reach.pods : 0), 0), 0);
  const inUse = new Set(graph.networks.map((_, network) => network).filter((network) => pods(network) > 0));

  // The networks that an item belongs to.
  const networksOf = (item) => item.column === 1 ? new Set([item.index])
    : new Set(around.keys().filter((network) => around[network][item.column].has(item.index)));
  // Whether an item belongs to one of some networks.
  const belongs = (item, networks) => item.column === 1 ? networks.has(item.index)
    : [...networks].some((network) => around[network][item.column].has(item.index));

  // What is selected, one item of each column at most: each narrows the others.
  const selected = [null, null, null, null];
  let hovered = null;

  const selectedNetworks = () => {
    let networks = new Set(graph.networks.keys());
    if ($("used").checked) networks = new Set([...networks].filter((network) => inUse.has(network)));
    selected.filter(Boolean).forEach((item) => {
      const own = networksOf(item);
      networks = new Set([...networks].filter((network) => own.has(network)));
    });
    return networks;
  };

  const lists = [0, 1, 2, 3].map((column) => $("c" + column));
  columns.flat().forEach((item) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.id = item.id;
    button.tabIndex = -1;
    button.title = item.label;
    button.setAttribute("aria-pressed", "false");
    button.append(item.label);
    if (item.note) {
      const note = document.createElement("small");
      note.textContent = " " + item.note;
      button.append(note);
    }
    button.classList.toggle("bad", Boolean(item.bad));
    item.row = document.createElement("li");
    item.row.append(button);
    item.button = button;
    lists[item.column].append(item.row);
    button.addEventListener("click", () => choose(item));
    button.addEventListener("mouseenter", () => hover(item));
    button.addEventListener("mouseleave", () => hover(null));
    button.addEventListener("focus", () => {
      tabStop(item);
      hover(item);
    });
  });

  const isShown = (item) => !item.row.hidden;

  // One item of each column can be reached with Tab; the arrows do the rest.
  const tabStop = (item) => {
    columns[item.column].forEach((own) => { own.button.tabIndex = own === item ? 0 : -1; });
  };

  const filter = () => {
    const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const networks = selectedNetworks();
    const matches = (item) => words.every((word) => item.text.includes(word));
    // Where words match somewhere, what belongs to the matches stays as well.
    let found = networks;
    if (words.length) {
      found = new Set();
      columns.flat().filter(matches).forEach((item) => networksOf(item).forEach((network) => {
        if (networks.has(network)) found.add(network);
      }));
    }
    const narrowed = words.length || selected.some(Boolean) || $("used").checked;
    columns.forEach((items, column) => {
      let count = 0;
      const own = selected[column];
      items.forEach((item) => {
        // Of a column in which something is selected, that alone stays.
        const show = own ? item === own : !narrowed || (words.length > 0 && !selected.some(Boolean) && matches(item)) || belongs(item, found);
        item.row.hidden = !show;
        count += show ? 1 : 0;
        item.button.setAttribute("aria-pressed", String(item === own));
      });
      $("h" + column).querySelector("small").textContent = count === items.length ? count : count + " of " + items.length;
      tabStop(items.find((item) => item === own) || items.find(isShown) || items[0] || { column });
    });
    $("clear").disabled = !selected.some(Boolean);
    location.replace("#" + selected.filter(Boolean).map((item) => item.id).join(","));
    detail();
    draw();
  };

  const choose = (item) => {
    selected[item.column] = selected[item.column] === item ? null : item;
    filter();
    item.button.scrollIntoView({ block: "nearest" });
  };

  const clear = () => {
    selected.fill(null);
    filter();
  };

  // --- edges ---

  const MOST = 1500;
  const draw = () => {
    const svg = $("edges");
    const origin = svg.getBoundingClientRect();
    const frames = lists.map((list) => list.getBoundingClientRect());
    const box = (item) => {
      const own = item.button.getBoundingClientRect();
      const frame = frames[item.column];
      // An edge ends at the rim of a list where its item is scrolled away.
      const y = Math.min(Math.max((own.top + own.bottom) / 2, frame.top), frame.bottom);
      return { left: own.left - origin.left, right: own.right - origin.left, y: y - origin.top, away: own.bottom < frame.top || own.top > frame.bottom };
    };
    const networks = selectedNetworks();
    const near = hovered && networksOf(hovered);
    const shown = edges.filter((edge) => isShown(edge.from) && isShown(edge.to)
      && [...edge.networks].some((network) => networks.has(network)));
    let drawn = shown.map((edge) => ({ edge, from: box(edge.from), to: box(edge.to) }));
    const isNear = (edge) => near && [...edge.networks].some((network) => near.has(network))
      && (edge.from === hovered || edge.to === hovered || hovered.column === 1
        || touches(edge, hovered, near));
    // Of many edges, only those that end at something visible.
    if (drawn.length > MOST / 4) drawn = drawn.filter(({ from, to }) => !from.away && !to.away);
    if (near) drawn = drawn.filter(({ edge }) => isNear(edge) || drawn.length < MOST / 4);
    const paths = document.createDocumentFragment();
    drawn.slice(0, MOST).forEach(({ edge, from, to }) => {
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      const middle = (from.right + to.left) / 2;
      path.setAttribute("d", `M${from.right} ${from.y}C${middle} ${from.y} ${middle} ${to.y} ${to.left} ${to.y}`);
      path.setAttribute("class", edge.kind + (near && !isNear(edge) ? " dim" : ""));
      paths.append(path);
    });
    svg.replaceChildren(paths);
    columns.flat().forEach((item) => {
      const on = Boolean(near) && belongs(item, near);
      item.button.classList.toggle("near", on && item !== hovered);
      item.button.classList.toggle("far", Boolean(near) && !on);
    });
  };
  // Whether an edge lies on the way of an item's networks.
  const touches = (edge, item, near) => {
    const side = edge.from.column >= item.column ? edge.to : edge.from;
    return belongs(side, near);
  };

  let wanted = false;
  const redraw = () => {
    if (wanted) return;
    wanted = true;
    requestAnimationFrame(() => {
      wanted = false;
      draw();
    });
  };
  const hover = (item) => {
    if (hovered === item) return;
    hovered = item;
    detail();
    redraw();
  };

  // --- detail ---

  const detail = () => {
    const item = hovered || selected[1] || selected.find(Boolean);
    const rows = [];
    if (item) {
      const networks = [...networksOf(item)];
      const names = (column, set) => [...set].map((index) => at(column, index).label).join(", ");
      if (item.column === 1) {
        const own = graph.networks[item.index];
        if (own.refused) rows.push(["Refused", own.refused, "bad"]);
        rows.push(["Is", own.is]);
        if (own.selector) rows.push(["Nodes with", own.selector]);
        rows.push(["For", own.isGlobal ? "every namespace" : names(0, around[item.index][0])]);
        rows.push(["Nodes", names(3, around[item.index][3]) || "none", around[item.index][3].size ? "" : "bad"]);
        const users = graph.namespaces.flatMap((space) => space.reaches
          .filter((reach) => reach.network === item.index && reach.pods)
          .map((reach) => `${space.name} (${reach.pods}${reach.by === "nothing" ? ", refused" : ""})`));
        rows.push(["Used by", users.join(", ") || "nobody"]);
      } else if (item.column === 0) {
        const reaches = graph.namespaces[item.index].reaches;
        const list = (by) => reaches.filter(by).map((reach) => at(1, reach.network).label + (reach.pods ? ` (${reach.pods})` : "")).join(", ");
        const refused = list((reach) => reach.by === "nothing");
        if (refused) rows.push(["Refused", refused, "bad"]);
        rows.push(["Own", list((reach) => reach.by === "own") || "none"]);
        rows.push(["Granted", list((reach) => reach.by === "grant") || "none"]);
        rows.push(["Global, used", list((reach) => reach.by === "global") || "none"]);
      } else {
        rows.push(["Networks", networks.map((network) => at(1, network).label).join(", ") || "none"]);
        if (item.column === 3) rows.push(["Nodes", graph.groups[item.index].nodes.join(", ") || "not known: from manifests"]);
      }
    }
    const out = document.createDocumentFragment();
    const head = document.createElement("h3");
    head.textContent = item ? KINDS[item.column] + " " + item.label : "Nothing selected";
    out.append(head);
    const list = document.createElement("dl");
    rows.forEach(([term, text, kind]) => {
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = term;
      dd.textContent = text;
      if (kind) dd.className = kind;
      list.append(dt, dd);
    });
    out.append(list);
    $("detail").replaceChildren(out);
  };

  // --- keys ---

  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== $("filter")) {
      event.preventDefault();
      $("filter").focus();
      return;
    }
    if (event.key === "Escape") {
      if ($("filter").value) {
        $("filter").value = "";
        filter();
      } else {
        clear();
      }
      return;
    }
    const id = document.activeElement && document.activeElement.dataset.id;
    const item = columns.flat().find((own) => own.id === id);
    if (!item) {
      if (event.key === "ArrowDown" && document.activeElement === $("filter")) {
        const first = columns.flat().find(isShown);
        if (first) first.button.focus();
        event.preventDefault();
      }
      return;
    }
    const shown = columns[item.column].filter(isShown);
    const place = shown.indexOf(item);
    const beside = (step) => {
      for (let column = item.column + step; column >= 0 && column < 4; column += step) {
        const own = columns[column].filter(isShown);
        const near = networksOf(item);
        const next = own.find((other) => belongs(other, near)) || own[0];
        if (next) return next;
      }
      return null;
    };
    const next = {
      ArrowDown: () => shown[place + 1],
      ArrowUp: () => shown[place - 1],
      Home: () => shown[0],
      End: () => shown[shown.length - 1],
      ArrowRight: () => beside(1),
      ArrowLeft: () => beside(-1),
    }[event.key];
    if (!next) return;
    event.preventDefault();
    const to = next();
    if (to) to.button.focus();
  });

  $("filter").addEventListener("input", filter);
  $("used").addEventListener("change", filter);
  $("clear").addEventListener("click", clear);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = (isDark) => document.documentElement.classList.toggle("dark", isDark);
  paint(dark.matches);
  dark.addEventListener("change", () => paint(dark.matches));
  $("theme").addEventListener("click", () => paint(!document.documentElement.classList.contains("dark")));
  lists.forEach((list) => list.addEventListener("scroll", redraw));
  addEventListener("resize", redraw);

  location.hash.slice(1).split(",").forEach((id) => {
    const item = columns.flat().find((own) => own.id === id);
    if (item) selected[item.column] = item;
  });
  filter();
})();
