/* SPDX-License-Identifier: MIT
 * The shape of a row: which of its columns are left to the server. Only columns with `server_default` may be. COPY wants
 * rows of one shape, so a batch is divided by it. */
#ifndef WB_SHAPE_H
#define WB_SHAPE_H

#include "rows/batch.h"

/* So many shapes are told apart. Rows of more are written by a statement that takes them all. */
enum { WB_SHAPES = 8 };

/* A shape is as many words as this, with a bit for each column that may be left to the server, in their order: it is. */
size_t wb_shape_words(const wb_schema *schema);
void wb_shape_read(const wb_schema *schema, const uint8_t *tuple, uint64_t *shape);
/* The number of a shape among `count` others; `count` where it is none of them. */
size_t wb_shape_find(const uint64_t *shapes, size_t count, const uint64_t *shape, size_t words);
/* Of rows of that shape: is column `index` of the schema given? */
bool wb_shape_gives(const wb_schema *schema, const uint64_t *shape, size_t index);

/* The shapes of a batch's rows. */
typedef struct wb_shapes {
    size_t count;     /* from 1; WB_SHAPES + 1: more than can be told apart */
    size_t words;     /* of each shape */
    uint64_t *shapes; /* one after another */
} wb_shapes;

/* Fills *shapes, which needs wb_shapes_fini. False: no memory, and nothing to free. */
bool wb_shapes_of(const wb_batch *batch, wb_shapes *shapes);
void wb_shapes_fini(wb_shapes *shapes);
/* A row's class by its shape; context: the batch's wb_shapes. All rows are of one class where there are too many. */
size_t wb_class_shape(const wb_batch *batch, size_t index, const void *context);

/* The tuple as COPY has it, without the fields that are left to the server; `to` has room for all of it. elements: for
 * each column the OID of an array's elements in the table, or 0; NULL: all as they are. Answers its length. */
size_t wb_tuple_given(const uint8_t *tuple, const uint32_t *elements, uint8_t *to);

#endif
