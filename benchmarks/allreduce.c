/* The independent referee of the allreduce kernel's backend `mpi`: the same measurement in plain C.
 *
 *     mpicc -O2 allreduce.c -o allreduce && mpiexec -n 2 ./allreduce plain|multiple STEPS MESSAGE_BYTES...
 *
 * The first word is how MPI is started: by MPI_Init, or for calls from several threads. For every message, of float32,
 * STEPS calls of MPI_Allreduce, a barrier before each; rank 0 prints a line: "c", the message's bytes and the median, in
 * seconds, of the slowest rank's time. As many steps before those are warm-up. Exit code 1 when a sum is wrong, 2 when a
 * word is missing.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void take_samples(const float *sent, float *received, int elements, double *samples_s, int steps)
{
    for (int step = 0; step < steps; step++) {
        MPI_Barrier(MPI_COMM_WORLD);
        double start_s = now_s();
        MPI_Allreduce(sent, received, elements, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
        samples_s[step] = now_s() - start_s;
    }
}

/* Rank r sends r + i mod 7 in element i, which float32 sums exactly. */
static int is_right(const float *received, int elements, int ranks)
{
    for (int i = 0; i < elements; i++)
        if (received[i] != (float)(ranks * (ranks - 1) / 2 + ranks * (i % 7)))
            return 0;
    return 1;
}

int main(int count, char **words)
{
    int rank, ranks, provided, right = 1;
    if (count < 4)
        return 2;
    if (strcmp(words[1], "multiple"))
        MPI_Init(&count, &words);
    else
        MPI_Init_thread(&count, &words, MPI_THREAD_MULTIPLE, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    int steps = atoi(words[2]);
    double *own_s = malloc(sizeof(double) * steps), *slowest_s = malloc(sizeof(double) * steps);
    for (int word = 3; word < count; word++) {
        long message_bytes = atol(words[word]);
        int elements = (int)(message_bytes / sizeof(float));
        float *sent = malloc(message_bytes), *received = malloc(message_bytes);
        for (int i = 0; i < elements; i++)
            sent[i] = (float)(rank + i % 7);
        take_samples(sent, received, elements, own_s, steps);
        take_samples(sent, received, elements, own_s, steps);
        right &= is_right(received, elements, ranks);
        MPI_Reduce(own_s, slowest_s, steps, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
        if (rank == 0) {
            qsort(slowest_s, steps, sizeof(double), compare);
            printf("c %ld %.9f\n", message_bytes, slowest_s[steps / 2]);
        }
        free(sent);
        free(received);
    }
    free(own_s);
    free(slowest_s);
    MPI_Finalize();
    return !right;
}
