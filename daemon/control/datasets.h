/* /v1/datasets: what people gave, or a file of somebody's, made into training, validation and test
 * files that jobs take; listed, shown, given back in others' formats. */
#ifndef DAEMON_CONTROL_DATASETS_H
#define DAEMON_CONTROL_DATASETS_H

#include "control/control.h"

/* 201, or 200 where these rows and parameters have given this very data set before. */
control_fn control_dataset_create;
control_fn control_datasets_list, control_dataset_get;
/* ?format= (instructd by default) and &split=train|valid|test (train, for evaluation sets test): a
 * file of lines, and how many rows the format could not say. */
control_fn control_dataset_export;

#endif
