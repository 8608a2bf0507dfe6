"""Transformations that run code, read files, write headers, never end, or make too much."""

from __future__ import annotations

from collections.abc import Iterator

from tests.web.hostile.rows import Row, ask

CODE = (
    "w___import__('os').system('id')",
    "w_(1)",
    "w_iw.__class__",
    "w_$x",
    "$x_!1!.__class__/w_$x",
    "$__class___1/w_5",
    "if_1==1,w_5",
    "if_w_gt_(1),w_5",
    "if_eval_eq_1,w_5",
    "w_%7B%7B7*7%7D%7D",
    "w_$(w)",
    "l_text:Arial_20:$(x)",
    "e_art:__class__",
    "e_sepia:`id`",
    "c_%24%7Bjndi:ldap:%7D",
)
FILES = (
    "l_..:..:..:etc:passwd",
    "l_%252e%252e:etc:passwd",
    "u_..%252f..%252fetc%252fpasswd",
    "l_:etc:passwd",
    "l_fetch:aHR0cDovLzEyNy4wLjAuMTo4MDAwLw==",
    "l_http:%252f%252f169.254.169.254%252f",
    "l_file:%252f%252f%252fetc%252fpasswd",
    "l_text:..%252f..%252fetc%252fpasswd_20:",
    "t_..:..:etc",
    "t_..%252fetc",
    "f_..%252fpasswd",
)
BREAKS = (
    "fl_attachment:a%0d%0aX-Smuggled:1",
    "fl_attachment:a%0aX-Smuggled:1",
    "l_text:Arial_20:a%00b",
    "l_text:Arial_20:a%2500b",
    "l_text:Arial_20:%25ff%25fe",
    "l_text:Arial%250d_20:x",
    "w_5%00",
    "t_a%0a",
    "$a_!%0d!/w_x",
)
ENDLESS = (
    "/".join(["e_sepia"] * 101),
    "/".join(["l_there.jpg"] * 30 + ["fl_layer_apply"] * 30),
    "/".join(["if_w_gt_1"] * 30 + ["if_end"] * 30),
    "/".join(["if_w_gt_1"] * 30),
    "w_" + "_add_".join(["1"] * 400),
    "w_9_pow_9_pow_9_pow_9",
    "w_iw_pow_iw_pow_iw",
    "w_1_div_0",
    "w_iw_mod_0",
    "t_" + ".".join(["a"] * 500),
    "l_text:Arial_20:" + "x" * 5000,
    "r_" + ":".join(["1"] * 500),
    "e_tint:1:" + ":".join(["red"] * 500),
    "a_" + ".".join(["hflip"] * 500),
)
TOO_MUCH = (
    "c_pad,h_16384,w_16384",
    "c_scale,w_100.0/c_scale,w_100.0",
    "c_scale,dpr_10.0,w_16384",
    "w_16385",
    "w_1e9",
    "w_99999999999999999999",
    "bo_2000px_solid_red/bo_2000px_solid_red/bo_2000px_solid_red/bo_2000px_solid_red/w_16384",
    "l_there.jpg,x_32768,y_32768",
    "l_text:Arial_1000:" + "W" * 4000,
    "e_blur:99999",
    "q_0,w_5",
    "pg_99999",
    "dl_999999999",
)


def transformations() -> Iterator[Row]:
    for kind, texts in (
        ("code", CODE),
        ("a file", FILES),
        ("a break", BREAKS),
        ("no end", ENDLESS),
        ("too much", TOO_MUCH),
    ):
        for text in texts:
            target = f"/default/image/upload/{text.replace(' ', '%20')}/there.jpg"
            yield Row(f"{kind}: {text[:60]}", ask(target, auth=False), absent=b"root:")
