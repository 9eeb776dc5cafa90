CREATE TABLE target_omnisend_journal (
    id integer NOT NULL,
    brand text NOT NULL,
    changes bytea NOT NULL
);
CREATE SEQUENCE target_omnisend_journal_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE target_omnisend_journal_id_seq OWNED BY target_omnisend_journal.id;
CREATE TABLE target_omnisend_ledger (
    version integer NOT NULL
);
CREATE TABLE target_omnisend_members (
    segment integer NOT NULL,
    email text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    fingerprint bytea NOT NULL,
    given smallint NOT NULL,
    confirmed_at bigint NOT NULL
);
CREATE TABLE target_omnisend_segments (
    id integer NOT NULL,
    brand text NOT NULL,
    name text NOT NULL,
    mapping text,
    bringing text
);
CREATE SEQUENCE target_omnisend_segments_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE target_omnisend_segments_id_seq OWNED BY target_omnisend_segments.id;
ALTER TABLE ONLY target_omnisend_journal ALTER COLUMN id SET DEFAULT nextval('target_omnisend_journal_id_seq'::regclass);
ALTER TABLE ONLY target_omnisend_segments ALTER COLUMN id SET DEFAULT nextval('target_omnisend_segments_id_seq'::regclass);
INSERT INTO target_omnisend_journal VALUES (3, 'brand', '\x91920181b36d656d62657236406578616d706c652e636f6d94c4100606060606060606060606060606060601ce6b003640c2');
INSERT INTO target_omnisend_ledger VALUES (2);
INSERT INTO target_omnisend_members VALUES (1, 'member0@example.com', 0, '\x00000000000000000000000000000000', 1, 1795176000);
INSERT INTO target_omnisend_members VALUES (1, 'member1@example.com', 1, '\x01010101010101010101010101010101', 1, 1795176000);
INSERT INTO target_omnisend_members VALUES (1, 'member2@example.com', 2, '\x02020202020202020202020202020202', 1, 1795176000);
INSERT INTO target_omnisend_members VALUES (1, 'member3@example.com', 3, '\x03030303030303030303030303030303', 1, 1795176000);
INSERT INTO target_omnisend_members VALUES (1, 'member4@example.com', 4, '\x04040404040404040404040404040404', 1, 1795176000);
INSERT INTO target_omnisend_members VALUES (2, 'member9@example.com', 0, '\x00000000000000000000000000000000', 0, 1795176000);
INSERT INTO target_omnisend_members VALUES (1, 'member5@example.com', 5, '\x05050505050505050505050505050505', 1, 1795176000);
INSERT INTO target_omnisend_segments VALUES (1, 'brand', 'VIP', '{"mapping": "0123456789abcdef"}', NULL);
INSERT INTO target_omnisend_segments VALUES (2, 'brand', 'Lapsed', NULL, 'half');
SELECT pg_catalog.setval('target_omnisend_journal_id_seq', 3, true);
SELECT pg_catalog.setval('target_omnisend_segments_id_seq', 2, true);
ALTER TABLE ONLY target_omnisend_journal
    ADD CONSTRAINT target_omnisend_journal_pkey PRIMARY KEY (id);
ALTER TABLE ONLY target_omnisend_members
    ADD CONSTRAINT target_omnisend_members_pkey PRIMARY KEY (segment, email);
ALTER TABLE ONLY target_omnisend_segments
    ADD CONSTRAINT target_omnisend_segments_brand_name_key UNIQUE (brand, name);
ALTER TABLE ONLY target_omnisend_segments
    ADD CONSTRAINT target_omnisend_segments_pkey PRIMARY KEY (id);
CREATE TABLE target_omnisend_feeds ( segment INTEGER NOT NULL, stream TEXT NOT NULL, loader TEXT NOT NULL, PRIMARY KEY (segment, stream, loader) );
CREATE TABLE target_omnisend_batches ( brand TEXT NOT NULL, batch TEXT NOT NULL, emails TEXT NOT NULL, sent_at BIGINT NOT NULL, PRIMARY KEY (brand, batch) );
CREATE TABLE target_omnisend_runs ( brand TEXT NOT NULL, started_at TEXT NOT NULL, run TEXT NOT NULL, stream TEXT NOT NULL, segment TEXT, command TEXT NOT NULL, version TEXT NOT NULL, seconds DOUBLE PRECISION NOT NULL, exit_code INTEGER NOT NULL, outcome TEXT NOT NULL, received BIGINT, accepted BIGINT, created BIGINT, updated BIGINT, rejected BIGINT, duplicates BIGINT, unchanged BIGINT, skipped BIGINT, unconfirmed BIGINT, not_sent BIGINT, tagged BIGINT, removed BIGINT, not_removed BIGINT, retried BIGINT, verified BIGINT, warnings BIGINT, rejections TEXT NOT NULL, PRIMARY KEY (brand, started_at, run, stream) );
CREATE TABLE target_omnisend_rejects ( brand TEXT NOT NULL, token TEXT NOT NULL, at BIGINT NOT NULL, number BIGINT NOT NULL, segment TEXT NOT NULL, stream TEXT NOT NULL, email TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (brand, token) );
CREATE TABLE target_omnisend_reject_schemas ( brand TEXT NOT NULL, digest TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (brand, digest) );
CREATE TABLE target_omnisend_proofs ( brand TEXT NOT NULL, settings TEXT NOT NULL, proven_at BIGINT NOT NULL, PRIMARY KEY (brand, settings) );
CREATE TABLE target_omnisend_retries ( brand TEXT NOT NULL, segment TEXT NOT NULL, email TEXT NOT NULL, item TEXT NOT NULL, line TEXT NOT NULL, schema TEXT NOT NULL, fingerprint TEXT NOT NULL, leaves SMALLINT NOT NULL, tries SMALLINT NOT NULL, code TEXT NOT NULL, PRIMARY KEY (brand, segment, email) )
