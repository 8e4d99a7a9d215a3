// Queries on the Zava database, for mongosh 2.x:
//
//     mongosh "$MONGODB_CONNECTION_STRING" --quiet --file examples/mongodb_queries.js
//
// runs each with values from the data and prints what it found, one line of Extended JSON per query. To try them by
// hand, start mongosh, `load("examples/mongodb_queries.js")`, and call `queries.orderWithItems("order_20250115_000001")`.
// Each stands in config/queries.yaml too, under the name given here, with the plan that it must have; `zava validate
// --only 'queries.*'` checks that. Cancelled orders are no sales; deleted: true is not there.

const zava = db.getSiblingDB(process.env.MONGODB_DATABASE || "zava");

// Numbers and nothing else: a search must not fail on one broken vector.
const soundVector = {$not: {$elemMatch: {$not: {$type: "number"}}}, $size: 1536};

const queries = {
  // order_with_items: one aggregation; a device, which has no join, asks twice (examples/ditto_queries.md).
  orderWithItems: (orderId) =>
    zava.orders.aggregate([
      {$match: {order_id: orderId}},
      {$lookup: {from: "order_items", localField: "order_id", foreignField: "order_id", as: "items"}},
    ]).toArray(),

  // customer_history: the newest first.
  customerHistory: (customerId) =>
    zava.orders.find({customer_id: customerId, deleted: false}).sort({order_date: -1}).limit(20).toArray(),

  // customer_analytics: how much, how often, since when.
  customerAnalytics: (customerId) =>
    zava.orders.aggregate([
      {$match: {customer_id: customerId, status: {$ne: "cancelled"}, deleted: false}},
      {$group: {
        _id: "$customer_id",
        orders: {$sum: 1},
        spent: {$sum: "$total"},
        average: {$avg: "$total"},
        first: {$min: "$order_date"},
        last: {$max: "$order_date"},
      }},
      {$set: {spent: {$round: ["$spent", 2]}, average: {$round: ["$average", 2]}}},
    ]).toArray(),

  // store_inventory: what a store holds, by product.
  storeInventory: (storeId) => zava.inventory.find({store_id: storeId, deleted: false}).sort({product_id: 1}).toArray(),

  // inventory_report: by category, in shelves, pieces and money, and how much must be reordered.
  inventoryReport: (storeId) =>
    zava.inventory.aggregate([
      {$match: {store_id: storeId, deleted: false}},
      {$lookup: {from: "products", localField: "product_id", foreignField: "product_id", as: "product"}},
      {$unwind: "$product"},
      {$group: {
        _id: "$product.category_id",
        shelves: {$sum: 1},
        pieces: {$sum: "$stock_level"},
        value: {$sum: {$cond: [  // what is no number, which the rules report, is worth nothing here
          {$and: [{$isNumber: "$stock_level"}, {$isNumber: "$product.cost"}]},
          {$multiply: ["$stock_level", "$product.cost"]},
          0,
        ]}},
        low: {$sum: {$cond: [{$lte: ["$stock_level", "$reorder_threshold"]}, 1, 0]}},
      }},
      {$set: {value: {$round: ["$value", 2]}}},
      {$sort: {_id: 1}},
    ]).toArray(),

  // low_stock: the emptiest shelf first. One without a threshold is never low: a missing value is below every number.
  lowStock: (storeId) =>
    zava.inventory
      .find({store_id: storeId, deleted: false, $expr: {$lte: ["$stock_level", "$reorder_threshold"]}})
      .sort({stock_level: 1})
      .toArray(),

  // aisle_lookup: what a store keeps in an aisle.
  aisleLookup: (storeId, aisle) =>
    zava.inventory.find({"location.aisle": aisle, store_id: storeId, deleted: false}).toArray(),

  // text_search: by words of name and description, best first.
  textSearch: (words) =>
    zava.products
      .find({$text: {$search: words}, deleted: false}, {score: {$meta: "textScore"}})
      .sort({score: {$meta: "textScore"}})
      .limit(20)
      .toArray(),

  // similar_products: by meaning, on any server; vectors have length 1, so that their product is the cosine. On Atlas
  // ask its index instead, with the same result:
  //   {$vectorSearch: {index: "vector_index", path: "description_embedding", queryVector: vector, exact: true, limit: 11}}
  similarProducts: (productId) =>
    zava.product_embeddings.aggregate([
      {$match: {product_id: productId, description_embedding: soundVector}},
      {$lookup: {
        from: "product_embeddings",
        let: {asked: "$product_id", query: "$description_embedding"},
        pipeline: [
          {$match: {deleted: false, description_embedding: soundVector, $expr: {$ne: ["$product_id", "$$asked"]}}},
          {$project: {_id: 0, product_id: 1, similarity: {$sum: {$map: {
            input: {$range: [0, 1536]},
            as: "n",
            in: {$multiply: [{$arrayElemAt: ["$description_embedding", "$$n"]}, {$arrayElemAt: ["$$query", "$$n"]}]},
          }}}}},
          {$sort: {similarity: -1, product_id: 1}},
          {$limit: 10},
        ],
        as: "near",
      }},
      {$unwind: "$near"},
      {$replaceWith: "$near"},
    ]).toArray(),

  // sales_by_date: by day, in a range of dates.
  salesByDate: (from, to) =>
    zava.orders.aggregate([
      {$match: {order_date: {$gte: from, $lte: to}, status: {$ne: "cancelled"}, deleted: false}},
      {$group: {_id: {$substrBytes: ["$order_date", 0, 10]}, orders: {$sum: 1}, sales: {$sum: "$total"}}},
      {$set: {sales: {$round: ["$sales", 2]}}},
      {$sort: {_id: 1}},
    ]).toArray(),

  // sales_by_store: of one store, in a range of dates.
  salesByStore: (storeId, from, to) =>
    zava.orders.aggregate([
      {$match: {
        store_id: storeId, order_date: {$gte: from, $lte: to}, status: {$ne: "cancelled"}, deleted: false,
      }},
      {$group: {_id: "$store_id", orders: {$sum: 1}, sales: {$sum: "$total"}}},
      {$set: {sales: {$round: ["$sales", 2]}}},
    ]).toArray(),

  // top_products_by_category: the five best of each, in a store and a range of dates.
  topProductsByCategory: (storeId, from, to) =>
    zava.orders.aggregate([
      {$match: {
        store_id: storeId, order_date: {$gte: from, $lte: to}, status: {$ne: "cancelled"}, deleted: false,
      }},
      {$lookup: {from: "order_items", localField: "order_id", foreignField: "order_id", as: "item"}},
      {$unwind: "$item"},
      {$match: {"item.deleted": false}},
      {$group: {
        _id: "$item.product_id", quantity: {$sum: "$item.quantity"}, sales: {$sum: "$item.line_total"},
      }},
      {$lookup: {from: "products", localField: "_id", foreignField: "product_id", as: "product"}},
      {$unwind: "$product"},
      {$sort: {sales: -1, _id: 1}},
      {$group: {
        _id: "$product.category_id",
        products: {$push: {product_id: "$_id", quantity: "$quantity", sales: {$round: ["$sales", 2]}}},
      }},
      {$set: {products: {$slice: ["$products", 5]}}},
      {$sort: {_id: 1}},
    ]).toArray(),
};

// Values to ask with: those of an order somewhere in the middle, and of a shelf of its store.
const middle = Math.floor(zava.orders.countDocuments({deleted: false}) / 2);
const order = zava.orders.find({deleted: false}).sort({order_date: 1, _id: 1}).skip(middle).limit(1).toArray()[0];
const shelf = zava.inventory.find({store_id: order.store_id, deleted: false}).sort({product_id: 1}).limit(1).toArray()[0];
const year = order.order_date.slice(0, 4);
const [from, to] = [`${year}-01-01T00:00:00Z`, `${year}-12-31T23:59:59Z`];

const examples = {
  orderWithItems: [order.order_id],
  customerHistory: [order.customer_id],
  customerAnalytics: [order.customer_id],
  storeInventory: [order.store_id],
  inventoryReport: [order.store_id],
  lowStock: [order.store_id],
  aisleLookup: [order.store_id, shelf.location.aisle],
  textSearch: ["toilet bowl"],
  similarProducts: [shelf.product_id],
  salesByDate: [from, to],
  salesByStore: [order.store_id, from, to],
  topProductsByCategory: [order.store_id, from, to],
};

for (const [name, values] of Object.entries(examples)) {
  print(EJSON.stringify({query: name, values: values, found: queries[name](...values)}, {relaxed: true}));
}
