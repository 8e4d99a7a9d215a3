-- The dataset in normalised tables, as one would keep it in PostgreSQL: nothing is copied that a join can tell.
-- Gone are an order's customer_name and store_name, a line's sku, product_name and store_id, a product's category_id.
-- What an order came to (subtotal … total) stays with it: it is what was billed then, and a report need not sum lines.
CREATE EXTENSION vector;

CREATE TABLE stores (
    store_id     text PRIMARY KEY,
    store_name   text NOT NULL UNIQUE,
    rls_user_id  uuid NOT NULL UNIQUE,
    is_online    boolean NOT NULL,
    address      text,
    city         text,
    state        text,
    zip          text,
    latitude     double precision,
    longitude    double precision,
    created_at   timestamptz NOT NULL,
    deleted      boolean NOT NULL
);

CREATE TABLE categories (
    category_id          text PRIMARY KEY,
    category_name        text NOT NULL UNIQUE,
    seasonal_multipliers jsonb NOT NULL,
    deleted              boolean NOT NULL
);

CREATE TABLE product_types (
    type_id     text PRIMARY KEY,
    type_name   text NOT NULL,
    category_id text NOT NULL,
    deleted     boolean NOT NULL
);

CREATE TABLE products (
    product_id           text PRIMARY KEY,
    sku                  text NOT NULL UNIQUE,
    product_name         text NOT NULL,
    type_id              text NOT NULL,
    cost                 numeric(12, 2) NOT NULL CHECK (cost >= 0.01),
    base_price           numeric(12, 2) NOT NULL CHECK (base_price >= 0.01),
    gross_margin_percent double precision NOT NULL,
    product_description  text NOT NULL,
    image_url            text,
    specifications       jsonb,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    deleted              boolean NOT NULL,
    words                tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('english', product_name), 'A')
        || setweight(to_tsvector('english', product_description), 'B')
    ) STORED
);

CREATE TABLE product_embeddings (
    product_id            text PRIMARY KEY,
    image_embedding       vector(512) NOT NULL,
    description_embedding vector(1536) NOT NULL,
    provider              text,
    text_digest           text,
    image_url             text,
    created_at            timestamptz NOT NULL,
    deleted               boolean NOT NULL
);

CREATE TABLE customers (
    customer_id      text PRIMARY KEY,
    first_name       text NOT NULL,
    last_name        text NOT NULL,
    email            text NOT NULL UNIQUE,
    phone            text NOT NULL,
    primary_store_id text NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    deleted          boolean NOT NULL
);

CREATE TABLE inventory (
    inventory_id      uuid PRIMARY KEY,
    store_id          text NOT NULL,
    product_id        text NOT NULL,
    aisle             text,
    shelf             text,
    bin               text,
    stock_level       integer NOT NULL CHECK (stock_level >= 0),
    reorder_threshold integer CHECK (reorder_threshold >= 0),
    last_updated      timestamptz NOT NULL,
    last_counted      timestamptz,
    notes             text,
    deleted           boolean NOT NULL,
    UNIQUE (store_id, product_id)
);

CREATE TABLE orders (
    order_id       text PRIMARY KEY,
    customer_id    text NOT NULL,
    store_id       text NOT NULL,
    order_date     timestamptz NOT NULL,
    customer_email text,
    item_count     integer NOT NULL,
    subtotal       numeric(12, 2) NOT NULL,
    tax            numeric(12, 2) NOT NULL,
    discount_total numeric(12, 2) NOT NULL,
    total          numeric(12, 2) NOT NULL,
    status         text NOT NULL CHECK (status IN ('pending', 'completed', 'cancelled')),
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    deleted        boolean NOT NULL
);

CREATE TABLE order_items (
    item_id          uuid PRIMARY KEY,
    order_id         text NOT NULL,
    product_id       text NOT NULL,
    quantity         integer NOT NULL CHECK (quantity >= 1),
    unit_price       numeric(12, 2) NOT NULL,
    discount_percent double precision,
    discount_amount  numeric(12, 2),
    line_total       numeric(12, 2) NOT NULL,
    created_at       timestamptz NOT NULL,
    deleted          boolean NOT NULL
);

-- What the documents say at one glance, by joins.
CREATE VIEW whole_orders AS
SELECT o.*, c.first_name || ' ' || c.last_name AS customer_name, s.store_name
FROM orders o JOIN customers c USING (customer_id) JOIN stores s USING (store_id);

CREATE VIEW whole_items AS
SELECT i.item_id AS _id, i.order_id, i.product_id, o.store_id, p.sku, p.product_name, i.quantity, i.unit_price,
       i.discount_percent, i.discount_amount, i.line_total, i.created_at, i.deleted
FROM order_items i JOIN orders o USING (order_id) JOIN products p USING (product_id);

CREATE VIEW whole_inventory AS
SELECT inventory_id AS _id, store_id, product_id, aisle AS "location.aisle", shelf AS "location.shelf",
       bin AS "location.bin", stock_level, reorder_threshold, last_updated, last_counted, notes, deleted
FROM inventory;

CREATE VIEW whole_products AS
SELECT p.product_id, p.sku, p.product_name, t.category_id, type_id, p.cost, p.base_price, p.gross_margin_percent,
       p.product_description, p.image_url, p.specifications, p.created_at, p.updated_at, p.deleted
FROM products p JOIN product_types t USING (type_id);
