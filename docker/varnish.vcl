# Varnish 7.1 as a shared cache before the service. var and xkey come from Debian's varnish-modules.
vcl 4.1;

import std;
import var;
import xkey;

backend imagestore {
    .host = "imagestore";
    .port = "8000";
    .connect_timeout = 2s;
    .first_byte_timeout = 60s;
    .between_bytes_timeout = 30s;
    .probe = {
        .url = "/healthz";
        .interval = 1s;
        .timeout = 1s;
        .window = 3;
        .threshold = 2;
        .initial = 2;
    }
}

# Who may purge. Varnish itself must not stand behind a proxy that makes all clients look like these.
acl purgers {
    "localhost";
}

# When the service last failed to renew what is stale. For five seconds nobody waits for another try.
sub vcl_init {
    var.global_set("failed", now - 1h);
}

sub vcl_recv {
    if (req.restarts == 0) {
        unset req.http.X-Stale;
    }
    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(403, "Not allowed to purge"));
        }
        if (!req.http.xkey) {
            return (synth(400, "Name the tags in a field xkey"));
        }
        set req.http.X-Purged = xkey.purge(req.http.xkey);
        return (synth(200, "Purged " + req.http.X-Purged));
    }
    # Varnish appended the client's address to whatever the client sent: only what it saw itself is told.
    set req.http.X-Forwarded-For = client.ip;
    set req.http.X-Forwarded-Host = req.http.Host;
    set req.http.X-Forwarded-Proto = "http";
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    # What a credential or a signed URL shows is for its owner alone.
    if (req.http.Authorization || req.url ~ "[?&]signature=") {
        return (pass);
    }
    # f_auto knows these two; of browsers' many Accept fields four remain.
    if (req.http.Accept ~ "image/avif" && req.http.Accept ~ "image/webp") {
        set req.http.Accept = "image/avif,image/webp,*/*";
    } else if (req.http.Accept ~ "image/avif") {
        set req.http.Accept = "image/avif,*/*";
    } else if (req.http.Accept ~ "image/webp") {
        set req.http.Accept = "image/webp,*/*";
    } else {
        set req.http.Accept = "*/*";
    }
    # What is stale is found for a day. X-Stale: "ask" for the service to be asked first, "give" when it had no answer.
    if (req.http.X-Stale == "ask") {
        set req.grace = 0s;
    } else {
        set req.grace = 1d;
    }
    return (hash);
}

sub vcl_hit {
    # For ten seconds what is stale is served while it is fetched anew, and for a day while the service is down.
    if (obj.ttl < -10s && !req.http.X-Stale && std.healthy(req.backend_hint)
        && now > std.time(var.global_get("failed"), now - 1h) + 5s) {
        set req.http.X-Stale = "ask";
        return (restart);
    }
}

sub vcl_miss {
    # Who waited while another asked in vain.
    if (req.http.X-Stale == "ask" && now < std.time(var.global_get("failed"), now - 1h) + 5s) {
        set req.http.X-Stale = "give";
        return (restart);
    }
}

sub vcl_backend_fetch {
    var.set("stale", bereq.http.X-Stale);
    unset bereq.http.X-Stale;
    if (bereq.is_bgfetch && now < std.time(var.global_get("failed"), now - 1h) + 5s) {
        return (abandon);
    }
}

sub vcl_backend_response {
    if (beresp.http.Surrogate-Key) {
        set beresp.http.xkey = beresp.http.Surrogate-Key;
    }
    # An error of the service never replaces a good answer that is still kept, nor stands in its way.
    if (beresp.status >= 500) {
        if (bereq.is_bgfetch || var.get("stale") == "ask") {
            var.global_set("failed", now);
            return (abandon);
        }
        set beresp.uncacheable = true;
        set beresp.ttl = 0s;
        set beresp.grace = 0s;
        set beresp.keep = 0s;
        return (deliver);
    }
    # What must not be stored is passed by the next requests together, not one after the other.
    if (beresp.http.Cache-Control ~ "(?i)(private|no-store)" || beresp.http.Set-Cookie) {
        set beresp.uncacheable = true;
        set beresp.ttl = 5s;
        set beresp.grace = 0s;
        return (deliver);
    }
    # That there is no such image is believed for as long as the service says, and no longer.
    if (beresp.status >= 400) {
        set beresp.grace = 0s;
        set beresp.keep = 0s;
        return (deliver);
    }
    set beresp.grace = 1d;
    set beresp.keep = 1d;
}

sub vcl_backend_error {
    if (bereq.is_bgfetch || var.get("stale") == "ask") {
        var.global_set("failed", now);
        return (abandon);
    }
}

sub vcl_synth {
    # What was abandoned. To deliver an error in its place would drop what is stale.
    if (resp.status == 503 && req.http.X-Stale == "ask") {
        set req.http.X-Stale = "give";
        return (restart);
    }
}

sub vcl_deliver {
    unset resp.http.xkey;
    unset resp.http.Surrogate-Key;
    if (obj.hits > 0) {
        set resp.http.X-Cache = "hit";
    } else {
        set resp.http.X-Cache = "miss";
    }
}
