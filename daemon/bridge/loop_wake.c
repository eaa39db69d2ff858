#include "bridge/loop_wake.h"

static void on_async(uv_async_t *async)
{
    assert_on_loop();
    loop_wake *wake = async->data;
    wake->on_wake(wake->arg);
}

int loop_wake_init(loop_wake *wake, uv_loop_t *loop, void (*on_wake)(void *arg), void *arg)
{
    wake->on_wake = on_wake;
    wake->arg = arg;
    int status = uv_async_init(loop, &wake->async, on_async);
    wake->async.data = wake;
    return status;
}

void loop_wake_close(loop_wake *wake)
{
    uv_close((uv_handle_t *)&wake->async, NULL);
}

void loop_wake_ring(void *wake)
{
    uv_async_send(&((loop_wake *)wake)->async);
}
