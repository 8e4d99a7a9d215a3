-- After the load, as one does: what keeps the tables true to each other, and PostgreSQL's own best indexes for the named
-- queries. Partial and covering ones are what it has beyond MongoDB's; soft-deleted rows are in none of them.
ALTER TABLE product_types ADD FOREIGN KEY (category_id) REFERENCES categories;
ALTER TABLE products ADD FOREIGN KEY (type_id) REFERENCES product_types;
ALTER TABLE product_embeddings ADD FOREIGN KEY (product_id) REFERENCES products;
ALTER TABLE customers ADD FOREIGN KEY (primary_store_id) REFERENCES stores (store_id);
ALTER TABLE inventory ADD FOREIGN KEY (store_id) REFERENCES stores, ADD FOREIGN KEY (product_id) REFERENCES products;
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers, ADD FOREIGN KEY (store_id) REFERENCES stores;
ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders, ADD FOREIGN KEY (product_id) REFERENCES products;

CREATE INDEX ON product_types (category_id);
CREATE INDEX ON products (type_id);
CREATE INDEX ON products USING gin (words);
CREATE INDEX ON customers (primary_store_id);
CREATE INDEX ON customers (last_name, first_name);

CREATE INDEX ON inventory (product_id);
CREATE INDEX ON inventory (store_id, stock_level) WHERE stock_level <= reorder_threshold AND NOT deleted;
CREATE INDEX ON inventory (store_id, aisle);
CREATE INDEX ON inventory (store_id, shelf);

CREATE INDEX ON orders (customer_id, order_date DESC);
CREATE INDEX ON orders (order_date) INCLUDE (total) WHERE status <> 'cancelled' AND NOT deleted;
CREATE INDEX ON orders (store_id, order_date DESC) INCLUDE (total, status) WHERE NOT deleted;
CREATE INDEX ON orders (store_id, status) WHERE NOT deleted;

CREATE INDEX ON order_items (order_id, product_id);
CREATE INDEX ON order_items (product_id);

-- No index on the vectors: an approximate one would not return the nearest ten, and all are compared in milliseconds.
