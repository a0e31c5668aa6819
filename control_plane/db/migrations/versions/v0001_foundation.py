"""The first schema: users to dispatchers, the guards of a job's states, the wake-up of the relay.

Plain SQL, and not the tables of `control_plane.db.schema`: those go on changing, this stays as released.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE users (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users (id) CHECK (owner_id = id),
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users (id),
    name text NOT NULL,
    key_sha256 bytea NOT NULL UNIQUE CHECK (length(key_sha256) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE TABLE videos (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users (id),
    title text NOT NULL,
    status text NOT NULL CHECK (status IN
        ('UPLOADING', 'UPLOADED', 'PROCESSING', 'PLAYABLE', 'READY', 'FAILED', 'REJECTED', 'DELETING')),
    source_key text NOT NULL,
    source_name text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    sha256 text NOT NULL,
    content_type text NOT NULL,
    media jsonb,
    current_package_id uuid,
    error_code text,
    error_message text,
    error_details jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (status <> 'READY' OR current_package_id IS NOT NULL),
    CHECK ((status = 'FAILED') = (error_code IS NOT NULL))
);
CREATE INDEX videos_owner_id_created_at_id_idx ON videos (owner_id, created_at, id);

CREATE TABLE packages (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users (id),
    video_id uuid NOT NULL REFERENCES videos (id),
    prefix text NOT NULL UNIQUE,
    status text NOT NULL CHECK (status IN ('PENDING', 'PLAYABLE', 'READY', 'FAILED')),
    publication jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ready_at timestamptz
);
CREATE INDEX packages_video_id_created_at_idx ON packages (video_id, created_at);
ALTER TABLE videos ADD FOREIGN KEY (current_package_id) REFERENCES packages (id);

CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users (id),
    video_id uuid NOT NULL REFERENCES videos (id),
    type text NOT NULL,
    status text NOT NULL CHECK (status IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELED')),
    status_reason text NOT NULL,
    request jsonb NOT NULL,
    priority integer NOT NULL,
    labels jsonb NOT NULL,
    request_id text,
    retry_of uuid REFERENCES jobs (id),
    package_id uuid REFERENCES packages (id),
    plan jsonb,
    renditions jsonb NOT NULL DEFAULT '[]'::jsonb,
    publication jsonb NOT NULL,
    cancel_requested boolean NOT NULL DEFAULT false,
    cluster text,
    epoch bigint NOT NULL DEFAULT 0,
    event_seq bigint NOT NULL DEFAULT 0,
    report jsonb,
    error_code text,
    error_message text,
    error_details jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    UNIQUE (owner_id, request_id)
);
CREATE UNIQUE INDEX jobs_one_live_per_video_and_type ON jobs (video_id, type)
    WHERE status IN ('QUEUED', 'RUNNING');
CREATE INDEX jobs_claimable ON jobs (priority DESC, created_at, id) WHERE status IN ('QUEUED', 'RUNNING');
CREATE INDEX jobs_owner_id_created_at_id_idx ON jobs (owner_id, created_at, id);
CREATE INDEX jobs_package_id_idx ON jobs (package_id);

CREATE TABLE tasks (
    job_id uuid NOT NULL REFERENCES jobs (id),
    key text NOT NULL,
    owner_id uuid NOT NULL REFERENCES users (id),
    kind text NOT NULL,
    track integer NOT NULL,
    index integer NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    committed_attempt integer,
    result jsonb,
    committed_at timestamptz,
    PRIMARY KEY (job_id, key),
    CHECK ((committed_attempt IS NULL) = (result IS NULL)),
    CHECK (committed_attempt <= attempts)
);

CREATE TABLE attempts (
    job_id uuid NOT NULL,
    task_key text NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    owner_id uuid NOT NULL REFERENCES users (id),
    status text NOT NULL CHECK (status IN ('RUNNING', 'COMMITTED', 'FAILED', 'LOST')),
    epoch bigint NOT NULL,
    error_code text,
    error_message text,
    error_details jsonb,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (job_id, task_key, number),
    FOREIGN KEY (job_id, task_key) REFERENCES tasks (job_id, key)
);

CREATE TABLE derivatives (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users (id),
    video_id uuid NOT NULL REFERENCES videos (id),
    package_id uuid NOT NULL REFERENCES packages (id),
    kind text NOT NULL,
    name text NOT NULL,
    data jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (package_id, kind, name)
);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    owner_id uuid NOT NULL REFERENCES users (id),
    type text NOT NULL,
    video_id uuid NOT NULL REFERENCES videos (id),
    job_id uuid REFERENCES jobs (id),
    job_seq bigint,
    data jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz,
    UNIQUE (job_id, job_seq),
    CHECK ((job_id IS NULL) = (job_seq IS NULL))
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;

CREATE TABLE job_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users (id),
    job_id uuid NOT NULL REFERENCES jobs (id),
    from_status text,
    to_status text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX job_history_job_id_id_idx ON job_history (job_id, id);

CREATE TABLE dispatchers (
    cluster text PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users (id),
    holder uuid NOT NULL,
    epoch bigint NOT NULL,
    expires_at timestamptz NOT NULL
);
"""

# The same table as control_plane/domain/job.py: whoever writes around the code is stopped here.
_GUARD = """
CREATE FUNCTION guard_job_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'QUEUED' THEN
            RAISE EXCEPTION 'a job cannot be born %', NEW.status USING ERRCODE = 'FM001';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.epoch < OLD.epoch THEN
        RAISE EXCEPTION 'the epoch of a job never goes back' USING ERRCODE = 'FM002';
    END IF;
    IF NEW.status <> OLD.status AND NOT (
        (OLD.status = 'QUEUED' AND NEW.status IN ('RUNNING', 'CANCELED'))
        OR (OLD.status = 'RUNNING' AND NEW.status IN ('SUCCEEDED', 'FAILED', 'CANCELED'))
    ) THEN
        RAISE EXCEPTION 'a job cannot go from % to %', OLD.status, NEW.status USING ERRCODE = 'FM001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_job_status BEFORE INSERT OR UPDATE ON jobs
    FOR EACH ROW EXECUTE FUNCTION guard_job_status();

CREATE FUNCTION append_job_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO job_history (owner_id, job_id, from_status, to_status, reason)
        VALUES (NEW.owner_id, NEW.id, NULL, NEW.status, NEW.status_reason);
    ELSIF NEW.status <> OLD.status THEN
        INSERT INTO job_history (owner_id, job_id, from_status, to_status, reason)
        VALUES (NEW.owner_id, NEW.id, OLD.status, NEW.status, NEW.status_reason);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER append_job_history AFTER INSERT OR UPDATE OF status ON jobs
    FOR EACH ROW EXECUTE FUNCTION append_job_history();

CREATE FUNCTION guard_task_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.committed_attempt IS NOT NULL AND (
        NEW.committed_attempt IS DISTINCT FROM OLD.committed_attempt OR NEW.result IS DISTINCT FROM OLD.result
    ) THEN
        RAISE EXCEPTION 'the commit of a task never changes' USING ERRCODE = 'FM003';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_task_commit BEFORE UPDATE ON tasks
    FOR EACH ROW EXECUTE FUNCTION guard_task_commit();
"""

_WAKEUP = """
CREATE FUNCTION notify_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY framemill_outbox;
    RETURN NULL;
END $$;
CREATE TRIGGER notify_outbox AFTER INSERT ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION notify_outbox();
"""

_BOOTSTRAP = """
INSERT INTO users (id, owner_id, name)
VALUES ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000001', 'bootstrap');
"""


def upgrade() -> None:
    """Create everything."""
    for statements in (_TABLES, _GUARD, _WAKEUP, _BOOTSTRAP):
        op.execute(statements)
